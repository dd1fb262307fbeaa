"""Lists of jobs: filters, orders, pages."""

from datetime import timedelta

import pytest

from farm.jobs.listing import JobFilter, JobSort
from farm.jobs.records import JobState
from farm.store.jobs import JobStore
from farm.store.listing import in_queue
from tests.support.jobs import submit


def names(store: JobStore, wanted: JobFilter = JobFilter(), **how: object) -> list[str]:
    return [job.name for job in store.page(wanted, **how)[0]]  # type: ignore[arg-type]


def test_filters_add_up(store: JobStore) -> None:
    one = submit(store, name="One", owner="ann", preset="Dance")
    two = submit(store, name="Two", owner="ben", priority=90)
    submit(store, name="Three", owner="ann")
    store.cancel_job(two.id)
    assert names(store, JobFilter(owner="ann")) == ["Three", "One"]
    assert names(store, JobFilter(owner="ann", preset="Dance")) == ["One"]
    assert names(store, JobFilter(states=(JobState.CANCELLED, JobState.FAILED))) == ["Two"]
    assert names(store, JobFilter(begins=one.id[:9])) == ["One"]
    assert names(store, JobFilter(family="none")) == []
    assert names(store, JobFilter(since=one.created_at + timedelta(hours=1))) == []
    assert names(store, JobFilter(until=two.created_at)) == ["One"]


@pytest.mark.parametrize(
    ("sort", "rising"),
    [
        (JobSort.NAME, ["alpha", "Beta", "gamma"]),
        (JobSort.PRIORITY, ["gamma", "alpha", "Beta"]),
        (JobSort.OWNER, ["Beta", "gamma", "alpha"]),
        (JobSort.CREATED, ["Beta", "alpha", "gamma"]),
    ],
)
def test_any_order_and_its_reverse(store: JobStore, sort: JobSort, rising: list[str]) -> None:
    for name, owner, priority in (("Beta", "a", 90), ("alpha", "c", 50), ("gamma", "b", 10)):
        submit(store, name=name, owner=owner, priority=priority)
    assert names(store, sort=sort, descending=False) == rising
    assert names(store, sort=sort, descending=True) == rising[::-1]
    assert names(store, sort=sort, descending=False, limit=1, offset=1) == rising[1:2]


def test_the_queue_comes_first_then_what_is_paused_then_what_has_ended(store: JobStore) -> None:
    jobs = {name: submit(store, name=name).id for name in ("old", "first", "paused", "second", "ended")}
    store.pause_job(jobs["paused"])
    store.cancel_job(jobs["ended"])
    places = {jobs["first"]: 1, jobs["second"]: 2, jobs["old"]: 3}
    found = names(store, sort=JobSort.PLACE, descending=False, places=places)
    assert found == ["first", "second", "old", "paused", "ended"]
    page, total = store.page(sort=JobSort.PLACE, descending=False, places=places, limit=2, offset=1)
    assert ([job.name for job in page], total) == (["second", "old"], 5)


def test_a_job_without_a_place_comes_after_those_that_have_one() -> None:
    assert in_queue([("new", JobState.PENDING), ("known", JobState.RUNNING)], {"known": 1}) == ["known", "new"]


def test_jobs_that_were_just_queued_come_last_in_their_order() -> None:
    found = [("newest", JobState.PENDING), ("newer", JobState.PENDING), ("done", JobState.COMPLETED)]
    assert in_queue([*found, ("old", JobState.RUNNING)], {"old": 1}) == ["old", "newer", "newest", "done"]
