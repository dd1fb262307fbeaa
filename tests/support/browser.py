"""A real Chromium, and a page of it for each test."""

import os
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard.views import queue_table

DANCER = Path(__file__).parents[2] / "examples" / "dancer.png"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PICTURES = os.environ.get("FARM_TEST_PICTURES", "")
"""Folder in which ``keep`` puts pictures of pages; empty for none."""
PATIENCE = 120_000
"""Milliseconds that a page may take: continuous integration machines are small."""

in_a_browser = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium, or set CHROMIUM)"),
]
"""Marks of tests that use one."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with TemporaryDirectory(prefix="chromium-") as home, sync_playwright() as playwright:
        own = {**os.environ, "HOME": home, "TMPDIR": home}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE, env=own)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


def click_row(page: Page, row: int, at: int = 17) -> None:
    """Click into a row of the queue's table, which is a canvas: the box before it, or what is ``at`` so many pixels."""
    table = page.locator("[data-testid=stDataFrame] .dvn-scroller")
    where = {"x": at, "y": queue_table.HEADER + queue_table.ROW * (row + 0.5)}
    table.hover(position=where)
    page.wait_for_timeout(200)  # a canvas says nothing of having noticed the pointer
    table.click(position=where)


def keep(page: Page, name: str) -> None:
    """A picture of the page as it stands, if pictures are wanted."""
    if PICTURES:
        page.wait_for_timeout(1500)  # toasts go, pictures come
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        Image.open(BytesIO(page.screenshot())).save(Path(PICTURES) / f"{name}.webp", quality=75, method=6)
