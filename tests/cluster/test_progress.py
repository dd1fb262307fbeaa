"""Progress is kept in memory, written now and then, and lost neither at an attempt's end nor to another's trouble."""

import asyncio
from pathlib import Path

import pytest

from farm.cluster.devices import Slot
from farm.cluster.members import Held, Member, Members
from farm.cluster.progress import Progress
from farm.errors import DatabaseError
from farm.jobs.records import Attempt
from farm.settings import Settings
from farm.store.jobs import JobStore
from tests.support.jobs import submit


class Desk:
    """Two jobs whose first task is in the hands of a replica each."""

    def __init__(self, path: Path) -> None:
        settings = Settings.for_home(path).ensure_home()
        self.store = JobStore(settings.database_url)
        self.store.migrate()

        async def nothing() -> str:
            return ""

        self.members = Members(settings, self.store, None, nothing, lambda: None)
        self.progress = Progress(self.store, self.members)
        self.jobs = [submit(self.store), submit(self.store)]
        self.attempts = [self.store.start_attempt(f"{job.id}.encode", "r") for job in self.jobs]
        for index, attempt in enumerate(self.attempts):
            slot = Slot("n", "cpu", "CPU", index)
            self.members._members[f"r{index}"] = Member(f"r{index}", slot, None, ready=True, running=Held(attempt.id))

    def row(self, index: int) -> Attempt:
        (attempt,) = self.store.attempts(self.jobs[index].id)
        return attempt


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "home")


def test_what_was_heard_is_written_all_at_once(desk: Desk) -> None:
    for attempt in desk.attempts:
        assert desk.progress.hear(attempt.id, 0, 0) and desk.progress.hear(attempt.id, 3, 25)
    assert desk.row(0).step == 0 and desk.progress.due
    asyncio.run(desk.progress.flush())
    for index in (0, 1):
        assert (desk.row(index).step, desk.row(index).steps) == (3, 25)
        assert desk.row(index).started_at > desk.attempts[index].started_at
    assert not desk.progress.due


def test_one_that_is_not_current_any_more_hears_it_and_no_other_does(desk: Desk) -> None:
    desk.store.cancel_job(desk.jobs[0].id)
    assert all(desk.progress.hear(attempt.id, 1, 25) for attempt in desk.attempts)
    asyncio.run(desk.progress.flush())
    assert [desk.progress.hear(attempt.id, 2, 25) for attempt in desk.attempts] == [False, True]


def test_one_that_nobody_holds_is_to_stop(desk: Desk) -> None:
    assert not desk.progress.hear("unknown", 1, 25)


def test_what_could_not_be_written_is_written_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.progress.hear(desk.attempts[0].id, 4, 25)
    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "report_all", lambda reached: [DatabaseError("away") for _ in reached])
        asyncio.run(desk.progress.flush())
    assert desk.row(0).step == 0
    asyncio.run(desk.progress.flush())
    assert desk.row(0).step == 4
