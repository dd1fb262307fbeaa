"""A first visit in a real browser: the tour goes and comes back, the draft outlives a reload, a key queues it."""

import re

from playwright.sync_api import Page, expect

from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm
from tests.support.browser import browser, in_a_browser, page

__all__ = ["browser", "page"]

pytestmark = in_a_browser


def test_from_the_tour_to_a_queued_video(page: Page, dashboard_url: str, farm: RunningFarm):
    page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
    page.get_by_role("button", name="Got it").click()
    expect(page.locator(".st-key-tour")).to_have_count(0)
    page.get_by_role("button", name="dancer").click()
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    prompt.fill("The puppet reloads.")
    prompt.press("Control+Enter")
    submit = page.locator(".st-key-submit").get_by_role("button", name="Queue video")
    expect(submit).to_be_enabled()

    page.reload(wait_until="commit")
    expect(prompt).to_have_value("The puppet reloads.")
    expect(page.get_by_text("dancer.png")).to_be_visible()
    expect(page.locator(".st-key-tour")).to_have_count(0)
    page.locator(".st-key-tour-again button:visible").click()
    expect(page.locator(".st-key-tour")).to_be_visible()

    farm.working.clear()
    try:
        expect(submit).to_be_enabled()
        prompt.press("Control+Enter")
        page.wait_for_url(re.compile("job.id="))
        expect(page).to_have_title(re.compile("% · The puppet reloads.$"))
        job = farm.client.jobs(limit=1)["jobs"][0]
        assert job["prompt"] == "The puppet reloads."
        farm.client.cancel(job["id"])
    finally:
        farm.working.set()
