"""What a tab tells of its job: the title, and a sound and a notification for those who asked for them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard import bell
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm
from tests.support.browser import DANCER, browser, in_a_browser, page

__all__ = ["browser", "page"]

PRETENDED = """
window.told = []; window.tones = 0;
window.Notification = class {
  constructor(title, more) { window.told.push([title, more.body]); }
  static get permission() { return localStorage.getItem('allowed') || 'default'; }
  static requestPermission() { localStorage.setItem('allowed', 'granted'); return Promise.resolve('granted'); }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
"""


def job(state: str, progress: float = 0.42) -> dict[str, Any]:
    return {"state": state, "progress": progress, "request": {"name": "", "prompt": "The girl\nspins"}}


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("running", "▶ 42% · The girl spins"),
        ("paused", "⏸ 42% · The girl spins"),
        ("completed", "✓ The girl spins"),
        ("failed", "✗ The girl spins"),
        ("cancelled", "⊘ The girl spins"),
    ],
)
def test_title_says_how_the_job_is(state: str, title: str):
    assert bell.title_of(job(state)) == title


@pytest.fixture
def job_id(farm: RunningFarm) -> Iterator[str]:
    farm.working.clear()
    fields = {"prompt": "The girl spins", "total_second_length": 1.2, "steps": 1, "order": "vanilla"}
    yield farm.client.submit(DANCER.read_bytes(), fields)["id"]
    farm.working.set()


class TestInABrowser:
    pytestmark = in_a_browser

    def open(self, page: Page, dashboard_url: str, farm: RunningFarm, job_id: str) -> None:
        page.add_init_script(PRETENDED)
        page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url, f"/job?id={job_id}"))
        expect(page).to_have_title(re.compile(r"^… \d+% · The girl spins$"))

    def test_who_asked_is_told_once(self, page: Page, dashboard_url: str, farm: RunningFarm, job_id: str):
        self.open(page, dashboard_url, farm, job_id)
        page.get_by_label("Tell me when it is done").check()
        farm.working.set()
        expect(page).to_have_title("✓ The girl spins")
        page.wait_for_function("window.told.length && window.tones === 2")
        assert page.evaluate("window.told") == [["✓ The girl spins", "The video is ready."]]
        expect(page.get_by_text("Tell me when it is done")).to_be_hidden()
        page.reload()
        expect(page).to_have_title("✓ The girl spins")
        expect(page.get_by_role("button", name="Contact sheet")).to_be_visible()
        assert page.evaluate("window.told") == [] and page.evaluate("window.tones") == 0

    def test_who_did_not_ask_is_not(self, page: Page, dashboard_url: str, farm: RunningFarm, job_id: str):
        self.open(page, dashboard_url, farm, job_id)
        expect(page.get_by_text("Tell me when it is done")).to_be_visible()
        farm.working.set()
        expect(page.get_by_role("button", name="Contact sheet")).to_be_visible()
        assert page.evaluate("window.told") == [] and page.evaluate("window.tones") == 0
