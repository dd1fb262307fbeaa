"""The Job page of a job that runs, in a real browser: what is finished plays, nothing moves, sections can be chosen."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from farm.tokens import LoginKeys
from farm.work.reference import render_in_process
from tests.dashboard.conftest import RunningFarm
from tests.support.browser import DANCER, browser, in_a_browser, page

__all__ = ["browser", "page"]

pytestmark = in_a_browser

PLACES = """() => {
    const roots = [document, ...[...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean)];
    const wanted = 'h5, .box, [data-section], .events, .why, .st-key-section-panel, .stProgress';
    return roots.flatMap(root => [...root.querySelectorAll(wanted)].map(element => {
        const box = element.getBoundingClientRect();
        return [element.className.toString().split(' ')[0], Math.round(box.top), Math.round(box.height)];
    }));
}"""
VIDEO = """() => [...document.querySelectorAll('*')].map(e => e.shadowRoot && e.shadowRoot.querySelector('video'))
    .filter(Boolean).map(v => ({seconds: v.duration, ready: v.readyState, error: v.error && v.error.message}))[0]"""


class Steps:
    """Renders a job by as many updates as the test lets it."""

    def __init__(self, farm: RunningFarm, job_id: str) -> None:
        self._let, self._waits, self._ended = threading.Semaphore(0), threading.Semaphore(0), False
        self._thread = threading.Thread(target=self._work, args=(farm, job_id), daemon=True)
        self._thread.start()
        self._waits.acquire(timeout=60)

    def on(self, updates: int) -> None:
        for _ in range(updates):
            self._let.release()
            assert self._waits.acquire(timeout=60)

    def finish(self) -> None:
        self._ended = True
        self._let.release()
        self._thread.join(120)

    def _look(self, job: Any) -> None:
        if not self._ended:
            self._waits.release()
            self._let.acquire()

    def _work(self, farm: RunningFarm, job_id: str) -> None:
        store = JobStore(farm.settings.database_url)
        render_in_process(store, open_store(farm.settings), job_id, on_update=self._look)
        store.close()


@pytest.fixture
def job_id(farm: RunningFarm) -> Iterator[str]:
    farm.working.clear()
    fields = {"prompt": "The girl spins", "total_second_length": 4.8, "steps": 3, "order": "vanilla", "seed": 3}
    yield farm.client.submit(DANCER.read_bytes(), fields)["id"]
    farm.working.set()


def test_job_is_watched_while_it_grows(page: Page, dashboard_url: str, farm: RunningFarm, job_id: str):
    steps = Steps(farm, job_id)
    try:
        page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url, f"/job?id={job_id}"))
        cells = page.locator("[data-section]")
        expect(cells).to_have_count(4)
        expect(page.locator(".why")).to_be_visible()
        steps.on(2)
        expect(page.locator(".cell.running")).to_have_count(1)
        expect(cells.first).to_contain_text("0")
        places = page.evaluate(PLACES)
        for _ in range(12):  # through sections that begin, show previews and end
            steps.on(1)
            page.wait_for_timeout(400)
            assert page.evaluate(PLACES) == places
        expect(cells.first.locator("img")).to_have_count(1)

        while farm.client.job(job_id)["job"]["counts"]["done"] < 7:  # encode, 4 sections, 2 decoded
            steps.on(1)
        expect(page.get_by_text(re.compile(r"^Plays [23] of 4 sections"))).to_be_visible()
        page.wait_for_function(f"({VIDEO})()?.ready >= 2")
        found = page.evaluate(VIDEO)
        assert found["error"] is None and found["seconds"] > 2
        assert page.evaluate(PLACES) == places

        cells.nth(1).click()
        panel = page.locator(".st-key-section-panel")
        expect(panel).to_contain_text("section 1")
        panel.get_by_text("section-001, attempt 1: committed").click()
        expect(panel.get_by_text("made latents-001")).to_be_visible()
        assert page.evaluate(PLACES) == places
    finally:
        steps.finish()
    expect(page.get_by_role("button", name="Contact sheet")).to_be_visible()
    expect(page.locator(".cell.done")).to_have_count(4)
    measured = page.locator("summary", has_text="Quality")
    expect(measured).to_have_count(1)  # while the page is made anew it may be there twice
    measured.click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").last).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(7)
    expect(page.get_by_text("Drift between the first")).to_be_visible()

    farm.working.set()
    panel.get_by_role("button", name="Redo").click()
    page.wait_for_url(re.compile(f"id=(?!{job_id})[0-9a-f]+"))
    expect(page.get_by_text("keeps sections 0")).to_be_visible()
