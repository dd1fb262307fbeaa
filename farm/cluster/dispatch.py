"""Carrying out what scheduling decides: tasks go to replicas, or take over what equal ones have made."""

import asyncio
import logging

from farm.errors import ConflictError, StorageError
from farm.intake.reuse import adopt
from farm.scheduling.decisions import Start
from farm.scheduling.records import TaskView
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore

from .board import Board
from .following import Follower
from .members import Held, Member, Members
from .queue import QueueReader

log = logging.getLogger(__name__)


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
        self._asked: set[str] = set()

    async def round(self) -> None:
        """Show the board how the replicas are, let it decide, and do that.

        Raises:
            StorageError: the database is away; what was decided is decided again.
        """
        members = {member.slot.place: member for member in self._members.all()}
        for member in members.values():
            member.trouble = member.trouble or self._board.ledger.quarantined.get(member.slot.place)
            self._board.put_seat(member.seat())
        self._board.drop_seats(members.keys())
        decisions = self._board.decide()
        for withdrawal in decisions.withdrawals:
            held = members[withdrawal.seat_id].ahead
            if held is not None and not held.unwanted:
                self._follower.withdraw(members[withdrawal.seat_id], held, withdrawal.why)
        self._asked.clear()
        for start in decisions.starts:
            await self._start(members[start.seat_id], start)

    async def _start(self, member: Member, start: Start) -> None:
        """One task; what goes wrong with it concerns its own job, whose rows are read again."""
        task = self._board.take(start.task_id)
        if task is None or self._board.waits_for_twin(task):
            return
        try:
            if not await asyncio.to_thread(self._adopt, task):
                await self._give(member, task, start.seconds)
                return
        except ConflictError:  # the job was paused or cancelled in this moment
            log.info("%s can't start now", task.id)
        except StorageError:
            self._queue.again([task.job_id])
            raise
        except Exception as error:  # the boundary of a task
            log.exception("%s could not be started", task.id)
            await self._follower.shelve(task.job_id, error)
        self._queue.again([task.job_id])

    async def _give(self, member: Member, task: TaskView, seconds: float) -> None:
        attempt = await asyncio.to_thread(self._store.start_attempt, task.id, member.id, member.slot.label)
        self._board.begun(task)
        held = Held(attempt.id, self._board.hold(task, seconds))
        if member.running is None:
            member.running = held
        else:
            member.ahead = held
        self._board.put_seat(member.seat())
        self._follower.begin(member, attempt)

    def _adopt(self, task: TaskView) -> bool:
        """Take over what equal tasks of other jobs have made, for this one and others of its job; whether it has."""
        if not self._board.key(task) or task.job_id in self._asked:
            return False
        self._asked.add(task.job_id)
        job = self._board.view.jobs.get(task.job_id)
        device = job.device_class if job and job.device_class else None
        devices = {seat.device_class for seat in self._board.view.seats.values()}
        adopted = adopt(self._store, self._artifacts, task.job_id, devices, device=device)
        return task.id in {f"{task.job_id}.{name}" for name in adopted}
