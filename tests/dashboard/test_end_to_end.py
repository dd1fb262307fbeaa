"""The dashboard in a real browser, on a real farm with the tiny model: from a picture to a video that plays."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from farm.client import FarmClient
from farm.jobs.nodes import NodeFacts
from farm.service.state import read_state
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm, free_port, wait_for
from tests.support.tiny import tiny_checkpoint

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
PATIENCE = 120_000
"""Milliseconds that a page may take: continuous integration machines are small."""
PLAYS = """() => {
    const video = document.querySelector('video');
    if (video.paused) video.play().catch(() => {});  // a browser may hold back what starts by itself out of sight
    return video.currentTime > 0.2;
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium, or set CHROMIUM)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


@dataclass
class Service:
    """A running farm: the dashboard's address, a client, its token, and links that sign in."""

    url: str
    client: FarmClient
    token: str
    keys: LoginKeys


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """What users have: ``farm up``, with Ray, coordinator, one replica, API and dashboard."""
    home = tmp_path_factory.mktemp("home")
    checkpoint = tiny_checkpoint(tmp_path_factory.mktemp("model") / "checkpoint")
    environment = {**os.environ, "FARM_HOME": str(home), "FARM_PUPPET_PATH": str(checkpoint)}
    environment.pop("FARM_URL", None)
    ports = ("--port", str(free_port()), "--dashboard-port", str(free_port()))

    def command(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "farm", *arguments], env=environment, capture_output=True, text=True, timeout=400
        )
        assert done.returncode == 0, done.stderr

    try:
        command("up", "--replicas", "1", *ports)
        state = read_state(Settings.for_home(home))
        assert state is not None
        token = (home / "token").read_text().strip()
        client = FarmClient(state.url, token)
        yield Service(state.dashboard_url, client, token, LoginKeys(Settings.for_home(home).login_keys_dir))
    finally:
        command("down")


def start_image() -> Path:
    return Path(__file__).parents[2] / "examples" / "dancer.png"


@pytest.mark.ray
def test_from_picture_to_playing_video(page: Page, browser: Browser, running: Service):
    page.goto(running.keys.link(running.url), wait_until="commit")
    page.locator("input[type=file]").first.set_input_files(start_image())
    expect(page.get_by_text("dancer.png").first).to_be_visible()
    page.get_by_role("button", name="The person waves hello, with a smile.").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The person waves hello, with a smile.")
    length = page.get_by_test_id("stNumberInputField").first
    length.fill("2.5")
    length.press("Enter")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("2.43 s")
    page.get_by_role("button", name="Queue video").click()

    page.wait_for_url(re.compile(r"/job\?id=[0-9a-f]+"))
    job_page = page.url
    job_id = job_page.rpartition("=")[2]
    expect(page.locator("[data-section]")).to_have_count(2)
    video = page.locator("video")
    video.wait_for()
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    video.scroll_into_view_if_needed()
    page.wait_for_function(PLAYS)
    facts = video.evaluate("v => ({seconds: v.duration, width: v.videoWidth, error: v.error && v.error.message})")
    assert facts["error"] is None
    assert facts["seconds"] == pytest.approx(73 / 30, abs=0.05)
    assert facts["width"] == 64
    expect(page.locator("[data-section].done, .cell.done")).to_have_count(2)

    video.evaluate("v => v.pause()")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(r"^download Video|^Video")).click()
    assert download.value.suggested_filename.endswith(".mp4")
    assert Path(download.value.path()).read_bytes() == running.client.artifact(job_id, "video")

    page.locator(f".st-key-again-{job_id} button:visible").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The person waves hello, with a smile.")
    expect(page.get_by_role("button", name="Queue video")).to_be_enabled()

    # A page that is opened anew knows the same as the one that submitted.
    other = browser.new_context()
    again = other.new_page()
    again.goto(job_page, wait_until="commit")
    again.get_by_label("Token").fill(running.token)
    again.get_by_role("button", name="Sign in").click()
    again.wait_for_url(job_page)
    expect(again.locator("video")).to_have_count(1, timeout=PATIENCE)
    other.close()


def test_queue_pauses_resumes_and_cancels(page: Page, dashboard_url: str, farm: RunningFarm):
    farm.working.clear()
    try:
        image = start_image().read_bytes()
        fields = {"total_second_length": 1.2, "steps": 1}
        first = farm.client.submit(image, {**fields, "prompt": "The girl spins"})["id"]
        second = farm.client.submit(image, {**fields, "prompt": "The man jumps"})["id"]
        page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
        page.goto(f"{dashboard_url}/queue", wait_until="commit")
        row = page.locator(f".st-key-row-{first}")
        expect(row).to_contain_text("The girl spins")
        expect(row).to_contain_text("pending")
        row.locator(f".st-key-pause-{first} button:visible").click()
        expect(row).to_contain_text("paused")
        assert farm.client.job(first)["job"]["state"] == "paused"
        row.locator(f".st-key-resume-{first} button:visible").click()
        expect(row).to_contain_text("pending")
        page.locator(f".st-key-cancel-{second} button:visible").click()
        expect(page.locator(f".st-key-row-{second}")).to_have_count(0)
        assert farm.client.job(second)["job"]["state"] == "cancelled"
    finally:
        farm.working.set()
    wait_for(lambda: farm.client.job(first)["job"]["state"] == "completed")
    expect(page.get_by_text("Nothing to do.")).to_be_visible()

    page.get_by_role("link", name="History").click()
    page.locator(f".st-key-card-{second}").get_by_role("link", name="Open").click()
    page.wait_for_url(re.compile(f"id={second}"))
    page.locator(f".st-key-retry-{second} button:visible").click()
    expect(page.locator("video")).to_have_count(1)


def test_cluster_shows_drains_and_sets_machines(page: Page, dashboard_url: str, farm: RunningFarm):
    store = JobStore(farm.settings.database_url)
    store.put_facts([NodeFacts("studio-1", "4f" * 28, cores=8, memory=64 * 10**9, devices=("H100",))])
    more = {"host": "studio-1", "seat": "cuda-0", "memory": 79 * 10**9, "device_name": "NVIDIA H100"}
    trouble = {"trouble": "section-003: <b>hot</b>", "trouble_at": datetime.now(UTC)}
    store.upsert_replica("replica-0", "4f" * 28, "H100", "idle", more={**more, **trouble})
    page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
    page.goto(f"{dashboard_url}/cluster", wait_until="commit")
    node = page.locator(".st-key-node-studio-1")
    for text in ("studio-1", "active", "NVIDIA H100 · 79.0 GB", "nothing in hand", "section-003: <b>hot</b>"):
        expect(node).to_contain_text(text)

    node.get_by_role("button", name="Drain", exact=True).click()
    page.get_by_label("Reason").fill("new driver")
    page.get_by_role("button", name="Drain studio-1").click()
    expect(node).to_contain_text("new driver")
    node.get_by_role("button", name="Resume").click()
    expect(node).to_contain_text("active")
    node.locator(".st-key-seat-replica-0 button:visible").click()
    expect(node).to_contain_text("drained")
    assert list(store.nodes()[0].settings.seats) == ["cuda-0"] and store.nodes()[0].settings.drain is None

    node.get_by_role("button", name="Settings").click()
    page.get_by_role("textbox", name="Labels").fill("studio, rack-2")
    page.get_by_role("textbox", name="Hours").fill("25")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("should be hours of the day such as 22-07")).to_be_visible()
    page.get_by_role("textbox", name="Hours").fill("22-07")
    page.get_by_role("button", name="Save").click()
    expect(node).to_contain_text("rack-2")
    settings = store.nodes()[0].settings
    assert (settings.labels, str(settings.hours), settings.max_replicas) == (("rack-2", "studio"), "22-07", None)
    store.remove_replica("replica-0")
    store.close()
