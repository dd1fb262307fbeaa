"""A job's clock: what it takes leaves out pauses, and the time between an end and another try."""

from datetime import UTC, datetime, timedelta

import pytest

from farm.store import transitions
from farm.store.jobs import JobStore
from tests.support.jobs import run_all, run_task, submit


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(transitions, "now", clock)
    monkeypatch.setattr("farm.store.rows.now", clock)
    return clock


def test_took_leaves_out_pauses_and_the_time_before_another_try(store: JobStore, clock: Clock):
    job_id = submit(store).id

    def took() -> float | None:
        return store.get_job(job_id).took(clock.now)

    clock.on(3)
    assert took() is None
    run_task(store, job_id, "encode")
    clock.on(10)
    assert took() == 10
    store.pause_job(job_id)
    clock.on(100)
    assert took() == 10
    store.resume_job(job_id)
    clock.on(5)
    assert took() == 15
    store.pause_job(job_id)
    clock.on(50)
    store.cancel_job(job_id)
    clock.on(50)
    assert took() == 15
    store.retry_job(job_id)
    clock.on(2)
    run_all(store, job_id)
    clock.on(1000)
    assert took() == 17


def test_pause_before_the_beginning_counts_for_nothing(store: JobStore, clock: Clock):
    job_id = submit(store).id
    store.pause_job(job_id)
    clock.on(100)
    store.resume_job(job_id)
    clock.on(100)
    run_task(store, job_id, "encode")
    clock.on(4)
    assert store.get_job(job_id).took(clock.now) == 4
