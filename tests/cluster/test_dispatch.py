"""Dispatching without Ray: what can't be started now is started later, and one job's trouble stops no other."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.cluster.board import Board
from farm.cluster.devices import Slot
from farm.cluster.dispatch import AT_ONCE, Dispatcher
from farm.cluster.members import Member
from farm.cluster.queue import QueueReader
from farm.errors import ConflictError, DatabaseError
from farm.jobs.records import Attempt, AttemptSpec, FailureKind
from farm.scheduling.verdicts import Ended
from farm.store import attempts
from farm.store.artifacts.local import LocalStore
from farm.store.jobs import JobStore
from tests.support.jobs import submit


class Desk:
    """A dispatcher whose replicas only take things."""

    def __init__(self, path: Path, replicas: int = 1) -> None:
        self.store = JobStore(f"sqlite:///{path / 'farm.sqlite3'}")
        self.store.migrate()
        self.members = [
            Member(f"r{index}", Slot("n", "cpu", "CPU", index), None, ready=True) for index in range(replicas)
        ]
        self.begun: list[str] = []
        self.shelved: list[str] = []
        self.withdrawn: list[str] = []
        self.board = Board()
        self.queue = QueueReader(self.store, self.board)
        desk: Any = self
        self.dispatcher = Dispatcher(
            self.store, LocalStore((path / "files").as_uri()), self.board, self.queue, desk, desk
        )

    # What members and follower are asked for

    @property
    def endings(self) -> "Desk":
        return self

    def all(self) -> list[Member]:
        return self.members

    def begin(self, member: Member, attempt: Attempt, spec: AttemptSpec | None) -> None:
        assert spec is not None and spec.attempt_id == attempt.id
        self.begun.append(attempt.task_id)

    def withdraw(self, member: Member, held: Any, why: str) -> None:
        self.withdrawn.append(held.attempt)

    async def shelve(self, job_id: str, error: BaseException) -> None:
        self.shelved.append(job_id)

    def round(self) -> bool:
        self.queue.apply(self.queue.read())
        return asyncio.run(self.dispatcher.round())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_ready_task_goes_to_a_free_replica(desk: Desk) -> None:
    job = submit(desk.store)
    desk.round()
    assert desk.begun == [f"{job.id}.encode"] and desk.members[0].running is not None
    (attempt,) = desk.store.running_attempts()
    assert (attempt.replica, desk.members[0].attempt) == ("r0", attempt.id)
    desk.round()
    assert len(desk.begun) == 1


@pytest.mark.parametrize("error", [DatabaseError("away"), ConflictError("paused")])
def test_what_could_not_be_started_is_started_later(desk: Desk, error: Exception, monkeypatch) -> None:
    job = submit(desk.store)
    start, refusals = desk.store.start_attempts, [error]

    def flaky(wanted: Any) -> list[Attempt | Exception]:
        if refusals:
            return [refusals.pop()]
        return start(wanted)

    monkeypatch.setattr(desk.store, "start_attempts", flaky)
    if isinstance(error, DatabaseError):
        with pytest.raises(DatabaseError):
            desk.round()
    else:
        desk.round()
    assert not desk.begun and not desk.shelved
    desk.round()
    assert desk.begun == [f"{job.id}.encode"]


def test_what_nobody_foresaw_concerns_its_own_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, replicas=2)
    odd, fine = submit(desk.store, priority=90), submit(desk.store)
    start = attempts.start_attempt

    def breaks(connection: Any, attempt_id: str, task_id: str, *args: Any) -> Attempt:
        if task_id.startswith(odd.id):
            raise KeyError("odd")
        return start(connection, attempt_id, task_id, *args)

    monkeypatch.setattr(attempts, "start_attempt", breaks)
    desk.round()
    assert desk.shelved == [odd.id] and desk.begun == [f"{fine.id}.encode"]


def test_a_round_starts_no_more_than_it_can_in_a_moment(tmp_path: Path) -> None:
    """A thousand replicas that are free at once must not keep results and people waiting for seconds."""
    count = AT_ONCE + 3
    desk = Desk(tmp_path, replicas=count)
    for _ in range(count):
        submit(desk.store)
    assert desk.round() and len(desk.begun) == AT_ONCE
    assert not desk.round() and len(desk.begun) == count


def test_a_replica_is_proven_by_what_it_has_finished(desk: Desk) -> None:
    """Else a broken device would fail one more than it takes to see that it is broken."""
    (member,), board = desk.members, desk.board
    place = member.slot.place
    for kind, proven in ((None, True), (FailureKind.TASK, False), (None, True)):
        board.ledger.settle(Ended("k.t", "k", place, "n", kind, board.now), {place, "elsewhere"})
        desk.round()
        assert board.view.seats[place].proven is proven


def test_a_replica_that_has_finished_nothing_yet_gets_nothing_ahead(desk: Desk) -> None:
    submit(desk.store)
    desk.round()
    submit(desk.store, priority=90, seed=2)
    (member,), board = desk.members, desk.board
    assert member.running is not None and member.running.hold is not None
    member.running.hold = replace(member.running.hold, ends=board.now + 1)
    desk.round()
    assert member.ahead is None and not board.view.seats[member.slot.place].proven
    board.ledger.settle(Ended("k.t", "k", member.slot.place, "n", None, board.now), {member.slot.place})
    desk.round()
    assert member.ahead is not None
