"""What a result makes ready begins before the result is written; the rows have the last word."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from farm.cluster.board import Board
from farm.cluster.commits import Commits
from farm.cluster.devices import Slot
from farm.cluster.dispatch import Dispatcher
from farm.cluster.following import Follower
from farm.cluster.foresight import Foresight
from farm.cluster.members import Held, Member, Members
from farm.cluster.progress import Progress
from farm.cluster.queue import QueueReader
from farm.cluster.unwanted import Unwanted
from farm.jobs.order import OrderChange
from farm.jobs.records import Attempt, AttemptState, FailureKind, Job, TaskState
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from tests.support.jobs import made, submit

FREED = ["section-000", "section-003"]
"""What the end of ``encode`` makes ready."""


class Replica:
    """Notes what it is told, holds it for ever, and lets go when it is asked to."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.cancelled: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return type("Method", (), {"remote": partial(self._call, name)})

    def _call(self, name: str, *args: Any) -> Awaitable[Any]:
        if name == "start":
            self.told.append(args[0])
        if name == "cancel":
            self.cancelled.append(args[0])
        return asyncio.ensure_future(self._wait(args[0]) if name == "wait" else asyncio.sleep(0))

    async def _wait(self, attempt_id: str) -> Any:
        while attempt_id not in self.cancelled:
            await asyncio.sleep(0.005)
        (spec,) = {id(spec): spec for spec in self.told if spec.attempt_id == attempt_id}.values()
        return type("Outcome", (), {"spec": spec})


class Desk:
    """A coordinator's parts, with two replicas, the first of which has just ended the first task of a job."""

    def __init__(self, path: Path) -> None:
        settings = Settings.for_home(path).ensure_home()
        self.store, artifacts = JobStore(settings.database_url), open_store(settings)
        self.store.migrate()

        async def nothing() -> str:
            return ""

        self.board = Board()
        self.queue = QueueReader(self.store, self.board)
        self.members = Members(settings, self.store, None, nothing, lambda: None)
        self.replicas = [Replica(), Replica()]
        for index, replica in enumerate(self.replicas):
            slot = Slot("n", "cpu", "CPU", index)
            self.members._members[f"r{index}"] = Member(f"r{index}", slot, replica, ready=True)
        self.commits = Commits(self.store, lambda: None)
        self.follower = Follower(self.store, artifacts, self.board, self.members, self.commits, self.queue.again)
        doing = (self.board, self.queue, self.members, self.follower)
        self.foresight = Foresight(self.store, *doing, Dispatcher(self.store, artifacts, *doing))

    async def begin(self, **fields: Any) -> tuple[Job, Attempt]:
        """The first task is at work, and what it will make ready is known."""
        job = submit(self.store, **fields)
        self.queue.apply(self.queue.read())
        member, task = self.members.all()[0], self.board.take(f"{job.id}.encode")
        assert task is not None
        attempt = self.store.start_attempt(task.id, member.id, member.slot.label)
        member.take(Held(attempt.id, self.board.hold(task, 1.0)))
        for each in self.members.all():
            self.board.put_seat(each.seat())
        self.queue.apply(self.queue.read({job.id}))
        assert self.foresight.due
        await self.foresight.prepare()
        assert not self.foresight.due
        return job, attempt

    async def end(self, attempt: Attempt, facts: Any = None, told: Callable[[], None] = lambda: None) -> None:
        """Its result is taken over; ``told`` is called when the replicas were told, and nothing is written yet."""

        def foresee(waiting: Sequence[Any]) -> Any:
            starts = self.foresight.begin(waiting)
            told()
            return starts

        then = partial(self.members.all()[0].release, attempt.id)
        waits = asyncio.ensure_future(self.commits.commit(attempt, [made("conditioning")], facts or {}, None, then))
        await asyncio.sleep(0)
        self.queue.apply(await self.commits.take_over(self.queue.read, foresee))
        self.commits.tell()
        await asyncio.gather(waits, return_exceptions=True)

    async def rest(self) -> None:
        """Until what is refused has been let go."""
        async with asyncio.timeout(10):
            while any(held.early or held.unwanted for member in self.members.all() for held in member.held):
                await asyncio.sleep(0.01)

    @property
    def told(self) -> list[str]:
        return sorted({spec.task_name for replica in self.replicas for spec in replica.told})

    def running(self, job: Job) -> list[str]:
        tasks = [attempt.task_id for attempt in self.store.running_attempts() if attempt.job_id == job.id]
        return sorted(task.rpartition(".")[2] for task in tasks)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "home")


def test_free_replicas_begin_before_the_result_is_written(desk: Desk) -> None:
    async def run() -> None:
        job, attempt = await desk.begin()

        def nothing_is_written() -> None:
            assert desk.told == FREED and desk.running(job) == ["encode"]

        await desk.end(attempt, told=nothing_is_written)
        assert desk.running(job) == FREED
        await desk.rest()
        attempts = {each.id: each.replica for each in desk.store.running_attempts()}
        assert {member.attempt: member.id for member in desk.members.all()} == attempts
        async with asyncio.timeout(10):
            while not all(len(replica.told) == 2 for replica in desk.replicas):
                await asyncio.sleep(0.01)
        for replica in desk.replicas:
            early, confirmed = replica.told
            assert early == confirmed and early.attempt_id in attempts and not replica.cancelled
            assert early.inputs["conditioning"] == made("conditioning").key

    asyncio.run(run())


def test_until_it_has_a_row_an_attempt_is_wanted_and_its_progress_kept(desk: Desk) -> None:
    async def run() -> None:
        progress = Progress(desk.store, desk.members)
        unwanted = Unwanted(desk.store, desk.members, desk.follower)
        _, attempt = await desk.begin()
        desk.foresight.begin([])
        await desk.end(attempt, told=lambda: None)
        (held, *_) = [held for member in desk.members.all() for held in member.held]
        held.early = True  # as between the call and the row
        assert progress.hear(held.attempt, 3, 25)
        await progress.flush()
        await unwanted.stop()
        assert held.news and not held.stale and not held.unwanted
        held.early = False
        await progress.flush()
        assert not held.news

    asyncio.run(run())


def test_what_the_rows_refuse_is_dropped(desk: Desk) -> None:
    async def run() -> None:
        job, attempt = await desk.begin()
        await desk.end(attempt, told=lambda: desk.store.pause_job(job.id))
        assert desk.told == FREED and desk.running(job) == []
        await desk.rest()
        assert all(member.attempt is None for member in desk.members.all())
        assert all(replica.cancelled for replica in desk.replicas)
        assert {task.name for task in desk.store.tasks(job.id) if task.state is TaskState.READY} == set(FREED)

    asyncio.run(run())


def test_nothing_comes_of_a_result_that_is_refused(desk: Desk) -> None:
    async def run() -> None:
        job, attempt = await desk.begin()

        def lost() -> None:
            desk.store.fail_attempt(attempt.id, FailureKind.LOST, "gone")

        await desk.end(attempt, told=lost)
        await desk.rest()
        assert desk.told == FREED and desk.running(job) == []
        assert len(desk.store.attempts(job.id)) == 1

    asyncio.run(run())


def test_a_replica_that_was_told_otherwise_than_the_rows_say_begins_anew(desk: Desk) -> None:
    async def run() -> None:
        job, attempt = await desk.begin()
        await desk.end(attempt, told=lambda: desk.store.change_order(job.id, OrderChange(name="another")) and None)
        await desk.rest()
        assert desk.running(job) == []
        ended = [each for each in desk.store.attempts(job.id) if each.state is AttemptState.INTERRUPTED]
        assert len(ended) == 2 and {each.failure for each in ended} == {FailureKind.INTERRUPTION}
        assert {task.failures for task in desk.store.tasks(job.id)} == {0}

    asyncio.run(run())


def test_what_an_equal_task_has_made_is_not_made_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.board, "key", lambda task: "k")
    monkeypatch.setattr(desk.board, "waits_for_twin", lambda task: False)
    monkeypatch.setattr(desk.store, "made", lambda keys: {"k"})

    async def run() -> None:
        job, attempt = await desk.begin()
        await desk.end(attempt)
        await desk.rest()
        assert desk.told == FREED and desk.running(job) == []

    asyncio.run(run())
