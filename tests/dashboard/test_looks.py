"""How pages look where there is little room, in a real browser."""

from playwright.sync_api import Page, expect

from dashboard import looks
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm
from tests.support.browser import browser, in_a_browser, keep, page

__all__ = ["browser", "page"]

pytestmark = in_a_browser

PLACES = ("[data-testid=stFileUploader]", ".st-key-draft_prompt", ".st-key-plan")
TOPS = f"""() => {{
    const found = {list(PLACES)}.map(place => document.querySelector(place));
    return found.every(Boolean) && found.map(each => each.getBoundingClientRect().top);
}}"""
"""Once all are there: the page comes piece by piece."""


def test_on_a_phone_the_prompt_stands_before_what_comes_of_it(page: Page, dashboard_url: str, farm: RunningFarm):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
    page.get_by_role("button", name="dancer").click()
    expect(page.get_by_text("True length")).to_be_visible()
    picture, prompt, plan = page.wait_for_function(TOPS).json_value()
    assert picture < prompt < plan
    keep(page, "phone")
    page.set_viewport_size({"width": 1300, "height": 900})
    page.wait_for_function(f"() => {{ const tops = ({TOPS})(); return tops[2] < tops[1] + 600; }}")
    assert page.evaluate("document.querySelector('.st-key-plan').getBoundingClientRect().left") < page.evaluate(
        "document.querySelector('.st-key-draft_prompt').getBoundingClientRect().left"
    )


def test_a_forecast_says_place_and_range() -> None:
    outlook = {"place": 2, "jobs": 3, "low": 100.0, "expected": 200.0, "high": 310.0}
    assert looks.forecast(outlook) == "queued now: place 2 of 3, done in about 3 min 20 s (1 min 40 s to 5 min 10 s)"
    assert looks.forecast({**outlook, "expected": None}) == "queued now: place 2 of 3, but no replica could take it"
