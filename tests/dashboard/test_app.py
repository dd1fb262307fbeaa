"""The dashboard in a real browser: the queue and the machines of a farm with the tiny model."""

import re
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from dashboard.views import queue_table
from farm.jobs.nodes import NodeFacts
from farm.store.jobs import JobStore
from farm.tokens import LoginKeys
from tests.dashboard.conftest import RunningFarm, wait_for
from tests.support.browser import DANCER, browser, click_row, in_a_browser, page

__all__ = ["browser", "page"]

pytestmark = in_a_browser


def test_queue_pauses_and_cancels_what_is_selected(page: Page, dashboard_url: str, farm: RunningFarm):
    farm.working.clear()
    try:
        image = DANCER.read_bytes()
        fields = {"total_second_length": 1.2, "steps": 1}
        first = farm.client.submit(image, {**fields, "name": "a girl spins", "prompt": "The girl spins"})["id"]
        second = farm.client.submit(image, {**fields, "name": "b man jumps", "prompt": "The man jumps"})["id"]
        page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
        page.goto(f"{dashboard_url}/queue?sort=Name", wait_until="commit")
        _expect_states(page, "pending", 2)
        click_row(page, 0, at=230)
        page.wait_for_url(re.compile(f"job.id={first}"))
        page.goto(f"{dashboard_url}/queue?sort=Name", wait_until="commit")
        _expect_states(page, "pending", 2)
        click_row(page, 0)
        click_row(page, 1)
        bar = page.locator(".st-key-queue-bar")
        expect(bar).to_contain_text("2 selected")
        bar.get_by_role("button", name="Pause").click()
        _expect_states(page, "paused", 2)
        assert {farm.client.job(job)["job"]["state"] for job in (first, second)} == {"paused"}
        farm.client.resume(first)  # by somebody else
        _expect_states(page, "paused", 1)
        bar.get_by_role("button", name="Pause 1 of 2").wait_for()
        bar.get_by_role("button", name="Resume 1 of 2").click()
        _expect_states(page, "pending", 2)
        farm.client.cancel(second)
        _expect_states(page, "pending", 1)
        expect(bar).to_contain_text("1 selected")
    finally:
        farm.working.set()
    wait_for(lambda: farm.client.job(first)["job"]["state"] == "completed")
    expect(page.get_by_text("Nothing to do.")).to_be_visible()

    page.get_by_role("main").get_by_role("link", name="History").click()
    result = page.locator(f".st-key-card-{first} .result")
    result.hover()
    page.wait_for_function("document.querySelector('.result video').currentTime > 0.1")
    page.locator(f".st-key-card-{first}").get_by_text("Select").click()
    expect(page.get_by_text(re.compile(r"1 of \d+ selected"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "results.zip"
    page.locator(f".st-key-card-{second} .result").click()
    page.wait_for_url(re.compile(f"id={second}"))
    page.locator(f".st-key-retry-{second} button:visible").click()
    expect(page.locator("video")).to_have_count(1)


JUMPS = """() => {
    window.jumps = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.jumps.push(entry.value);
    }).observe({type: 'layout-shift', buffered: false});
}"""
LIVE_ROUNDS = 4
"""Of a job's progress, each of which the page shows."""


def test_nothing_moves_on_the_queue_while_a_job_renders(page: Page, dashboard_url: str, farm: RunningFarm):
    farm.working.clear()
    store = JobStore(farm.settings.database_url)
    steps = 2 * LIVE_ROUNDS
    jobs = [
        farm.client.submit(DANCER.read_bytes(), {"prompt": name, "total_second_length": 1.2, "steps": steps})["id"]
        for name in ("The girl spins once more", "The man jumps once more")
    ]
    try:
        store.commit_attempt(store.start_attempt(f"{jobs[0]}.encode", "r").id, [])
        task = next(task for task, job in store.ready_tasks() if job.id == jobs[0])
        attempt = store.start_attempt(task.id, "r")
        page.goto(LoginKeys(farm.settings.login_keys_dir).link(dashboard_url), wait_until="commit")
        page.goto(f"{dashboard_url}/queue?text=once+more", wait_until="commit")
        expect(page.locator("[role=gridcell]", has_text=f"0/{steps}")).to_have_count(2)
        page.wait_for_timeout(1000)
        page.evaluate(JUMPS)
        parts = page.locator("h1, .st-key-queue-bar button, [data-testid=stDataFrame]")
        before = [part.bounding_box() for part in parts.all()]
        for done in range(1, LIVE_ROUNDS + 1):
            store.report_progress(attempt.id, done, steps)
            expect(page.locator("[role=gridcell]", has_text=f" {done}/{steps}")).to_have_count(1)
            assert [part.bounding_box() for part in parts.all()] == before
        assert page.evaluate("window.jumps") == []
    finally:
        farm.client.act("cancel", jobs)
        store.close()
        farm.working.set()


def _expect_states(page: Page, state: str, rows: int) -> None:
    expect(page.locator("[role=gridcell]", has_text=queue_table.SIGNS[state])).to_have_count(rows)


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
