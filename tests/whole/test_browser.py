"""The dashboard of a running farm in a real browser: from a picture to a video that plays."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from farm.tokens import LoginKeys
from tests.support.browser import DANCER, PATIENCE, browser, in_a_browser, page
from tests.support.services import Service

__all__ = ["browser", "page"]

pytestmark = [pytest.mark.ray, *in_a_browser]

PLAYS = """() => {
    const video = document.querySelector('video');
    if (video.paused) video.play().catch(() => {});  // a browser may hold back what starts by itself out of sight
    return video.currentTime > 0.2;
}"""


def test_from_picture_to_playing_video(page: Page, browser: Browser, service: Service):
    service.steady()
    settings = service.settings
    page.goto(LoginKeys(settings.login_keys_dir).link(service.state.dashboard_url), wait_until="commit")
    uploads = page.get_by_test_id("stFileUploader").filter(has=page.get_by_text("Start image", exact=True))
    uploads.locator("input[type=file]").set_input_files(DANCER)
    expect(page.get_by_text("dancer.png").first).to_be_visible()
    page.get_by_role("button", name="The person waves hello, with a smile.").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The person waves hello, with a smile.")
    length = page.get_by_label("seconds", exact=True)
    length.fill("2.5")
    length.press("Enter")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("2.43 s")
    page.get_by_role("button", name="Queue video").click()

    page.wait_for_url(re.compile(r"/job\?id=[0-9a-f]+"))
    job_page = page.url
    job_id = job_page.rpartition("=")[2]
    expect(page.locator("[data-section]")).to_have_count(2)
    video = page.get_by_test_id("stVideo")  # the finished one; a player of what grows stands there before
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
    with service.client() as client:
        assert Path(download.value.path()).read_bytes() == client.artifact(job_id, "video")

    page.locator(f".st-key-again-{job_id} button:visible").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("The person waves hello, with a smile.")
    expect(page.get_by_role("button", name="Queue video")).to_be_enabled()

    # A page that is opened anew knows the same as the one that submitted.
    other = browser.new_context()
    again = other.new_page()
    again.goto(job_page, wait_until="commit")
    again.get_by_label("Token").fill(settings.token_path.read_text().strip())
    again.get_by_role("button", name="Sign in").click()
    again.wait_for_url(job_page)
    expect(again.locator("video")).to_have_count(1, timeout=PATIENCE)
    other.close()
