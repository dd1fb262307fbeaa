"""The description of the API as people read it."""

import re

from playwright.sync_api import Page, Route, expect

from tests.support.api import LiveFarm
from tests.support.browser import browser, in_a_browser, page

__all__ = ["browser", "page"]

pytestmark = in_a_browser


def test_docs_need_no_network_but_the_farm(farm: LiveFarm, page: Page) -> None:
    refused: list[str] = []

    def only_the_farm(route: Route) -> None:
        if route.request.url.startswith(farm.url):
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    page.route(re.compile("^https?://"), only_the_farm)
    page.goto(f"{farm.url}/docs")
    submit = page.locator(".opblock", has=page.get_by_text("Queue a job", exact=True))
    submit.locator(".opblock-summary").click()
    expect(submit.get_by_text("total_second_length").first).to_be_visible()
    assert refused == []
