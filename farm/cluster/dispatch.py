"""Carrying out what scheduling decides: tasks go to replicas, or take over what equal ones have made."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from farm.errors import ConflictError, StorageError
from farm.intake.reuse import adopt
from farm.jobs.records import Attempt, AttemptSpec
from farm.scheduling.decisions import Start
from farm.scheduling.records import TaskView
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from farm.work.specs import specs_of

from .board import Board
from .devices import NO_MODEL
from .following import Follower
from .members import Held, Member, Members
from .queue import QueueReader

AT_ONCE = 16
"""Tasks that a round starts at most: what has ended meanwhile, and what people want, waits for no more than these."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """A task that is to start on a replica, where it should take so many ``seconds``. ``key``: its content address, if
    it has one; ``device``: the kind that its job has begun on, if it has."""

    task: TaskView
    member: Member
    seconds: float
    key: str
    device: str | None


@dataclass(frozen=True)
class Given:
    """A task's attempt, and what the replica is told; None: that couldn't be found out at once."""

    attempt: Attempt
    spec: AttemptSpec | None


class Dispatcher:
    """See the module."""

    def __init__(
        self,
        store: JobStore,
        artifacts: ArtifactStore,
        board: Board,
        queue: QueueReader,
        members: Members,
        follower: Follower,
    ) -> None:
        self._store, self._artifacts = store, artifacts
        self._board, self._queue = board, queue
        self._members, self._follower = members, follower

    async def round(self) -> bool:
        """Show the board how the replicas are, let it decide, and do that; whether there may be more to start.

        Raises:
            StorageError: the database is away; what was decided is decided again.
        """
        members = {member.slot.place: member for member in self._members.all()}
        for member in members.values():
            member.trouble = member.trouble or self._board.ledger.quarantined.get(member.slot.place)
            member.proven = self._board.ledger.proven(member.slot.place, member.slot.kinds != NO_MODEL)
            self._board.put_seat(member.seat())
        self._board.drop_seats(members.keys())
        decisions = self._board.decide(AT_ONCE)
        for withdrawal in decisions.withdrawals:
            held = members[withdrawal.seat_id].ahead
            if held is not None and not held.unwanted:
                self._follower.withdraw(members[withdrawal.seat_id], held, withdrawal.why)
        await self._start(self.wanted(decisions.starts, members))
        return len(decisions.starts) >= AT_ONCE

    def wanted(self, starts: Sequence[Start], members: dict[str, Member]) -> list[Wanted]:
        """What is to start, less what waits for an equal task that is at work."""
        wanted: list[Wanted] = []
        for start in starts:
            task = self._board.take(start.task_id)
            if task is None or self._board.waits_for_twin(task):
                continue
            self._board.begun(task)
            job = self._board.view.jobs.get(task.job_id)
            device = job.device_class if job and job.device_class else None
            wanted.append(Wanted(task, members[start.seat_id], start.seconds, self._board.key(task), device))
        return wanted

    async def _start(self, wanted: Sequence[Wanted]) -> None:
        """All in one go; what goes wrong with one concerns its own job, whose rows are read again."""
        if not wanted:
            return
        devices = {seat.device_class for seat in self._board.view.seats.values()}
        outcomes = await asyncio.to_thread(self._carry_out, wanted, devices)
        for each, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Given):
                self._give(each, outcome)
        for each, outcome in zip(wanted, outcomes, strict=True):
            if not isinstance(outcome, Given):
                self._queue.again({each.task.job_id, *self._board.ended(each.task)})
            if isinstance(outcome, ConflictError):  # the job was paused or cancelled in this moment
                log.info("%s can't start now", each.task.id)
            elif isinstance(outcome, Exception) and not isinstance(outcome, StorageError):
                log.error("%s could not be started", each.task.id, exc_info=outcome)
                await self._follower.endings.shelve(each.task.job_id, outcome)
        for outcome in outcomes:
            if isinstance(outcome, StorageError):
                raise outcome

    def _carry_out(self, wanted: Sequence[Wanted], devices: set[str]) -> list[Given | Exception | None]:
        """For each what its replica gets, None for nothing as it is done already, or what went wrong; in a thread."""
        outcomes: dict[str, Given | Exception | None] = {}
        asked: set[str] = set()
        for each in self._with_made(wanted):
            if each.task.job_id not in asked:
                asked.add(each.task.job_id)
                outcomes |= self._adopt(each, devices)
        outcomes |= self._begin([each for each in wanted if each.task.id not in outcomes])
        return [outcomes[each.task.id] for each in wanted]

    def _begin(self, wanted: Sequence[Wanted]) -> dict[str, Given | Exception]:
        """Attempts at these tasks, and what their replicas are told."""
        starts = [(each.task.id, each.member.id, each.member.slot.label) for each in wanted]
        begun = self._store.start_attempts(starts) if starts else []
        attempts = [attempt for attempt in begun if isinstance(attempt, Attempt)]
        specs = dict(zip((attempt.id for attempt in attempts), specs_of(self._store, attempts), strict=True))
        return {
            each.task.id: one if isinstance(one, Exception) else Given(one, specs[one.id])
            for each, one in zip(wanted, begun, strict=True)
        }

    def _with_made(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those for which there may be a result; all when that can't be said."""
        keys = {each.key for each in wanted if each.key}
        try:
            made = self._store.made(keys) if keys else set()
        except StorageError as error:
            log.info("results of equal tasks: %s", error)
            made = keys
        return [each for each in wanted if each.key in made]

    def _adopt(self, wanted: Wanted, devices: set[str]) -> dict[str, Exception | None]:
        """Take over what equal tasks of other jobs have made for this one and others of its job: those tasks."""
        job_id = wanted.task.job_id
        try:
            adopted = adopt(self._store, self._artifacts, job_id, devices, device=wanted.device)
        except Exception as error:  # noqa: BLE001 - the boundary of a task
            return {wanted.task.id: error}
        return dict.fromkeys(f"{job_id}.{name}" for name in adopted)

    def _give(self, wanted: Wanted, given: Given) -> None:
        member = wanted.member
        member.take(Held(given.attempt.id, self._board.hold(wanted.task, wanted.seconds)))
        self._board.put_seat(member.seat())
        self._follower.begin(member, given.attempt, given.spec)
