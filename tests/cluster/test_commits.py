"""Results are taken over together, before the round decides; who waits hears what became of its own."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from farm.cluster.commits import Commits
from farm.errors import StaleAttemptError
from farm.jobs.records import AttemptState
from farm.store.attempts import Reached
from farm.store.jobs import JobStore
from tests.support.jobs import submit


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = JobStore(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    store.migrate()
    return store


def round_of(store: JobStore, read: Any = lambda jobs: jobs) -> tuple[Any, list[Any], list[str]]:
    """Two attempts end at once, the first of them is stale; what the round read, what they heard, and what followed."""
    jobs = [submit(store), submit(store)]
    attempts = [store.start_attempt(f"{job.id}.encode", "r") for job in jobs]
    store.cancel_job(jobs[0].id)
    followed: list[str] = []

    async def run() -> tuple[Any, list[Any]]:
        commits = Commits(store, lambda: None)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        waiting = [
            asyncio.ensure_future(
                commits.commit(each, [], {}, Reached(each.id, 7, 25, moment), lambda id=each.id: followed.append(id))
            )
            for each in attempts
        ]
        await asyncio.sleep(0)
        try:
            found = await commits.take_over(read)
        except ValueError as error:
            found = error
        assert not any(each.done() for each in waiting)
        commits.tell()
        return found, await asyncio.gather(*waiting, return_exceptions=True)

    found, heard = asyncio.run(run())
    (row,) = store.attempts(jobs[1].id)
    assert row.state is AttemptState.COMMITTED and (row.step, row.steps, row.started_at.year) == (7, 25, 2026)
    assert followed == [attempts[1].id]
    return found, heard, [job.id for job in jobs]


def test_a_stale_one_spoils_no_other(store: JobStore) -> None:
    found, (stale, fine), jobs = round_of(store)
    assert isinstance(stale, StaleAttemptError) and fine is None
    assert found == set(jobs)


def test_what_they_made_ready_is_read_in_the_same_go(store: JobStore) -> None:
    found, _, jobs = round_of(store, lambda asked: store.queued(asked))
    assert [[task.name for task in job.ready] for job in found if job.id == jobs[1]] == [["section-000", "section-003"]]


def test_rows_that_cannot_be_read_lose_no_result(store: JobStore) -> None:
    def unreadable(jobs: Any) -> Any:
        raise ValueError("odd row")

    found, heard, _ = round_of(store, unreadable)
    assert isinstance(found, ValueError) and heard[1] is None
