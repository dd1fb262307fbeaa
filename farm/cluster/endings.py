"""How attempts end that have no result: what becomes of task, job and replica, by the rules; what they left goes."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from farm.errors import ConflictError
from farm.jobs.events import EventKind
from farm.jobs.names import attempt_folder
from farm.jobs.records import HOPELESS, RUNNABLE, Attempt, FailureKind
from farm.scheduling.verdicts import Again, End, Fails, Pause, Verdict
from farm.store.artifacts import ArtifactStore
from farm.store.attempts import Judgement
from farm.store.jobs import JobStore
from farm.work.failures import Failure, describe_error
from farm.work.logs import keep_log

from .board import Board
from .calls import Background, courtesy, insist
from .members import Member, Members

BLAMELESS = HOPELESS | {FailureKind.INTERRUPTION, FailureKind.NEVER_STARTED, FailureKind.DAMAGED}
"""Kinds of failure that say nothing about the replica."""
NOTABLE_WAIT = 0.5
"""A task that is to wait for less after a failure needn't say so in its row."""

log = logging.getLogger(__name__)


class Endings:
    """See the module."""

    def __init__(self, store: JobStore, artifacts: ArtifactStore, board: Board, members: Members) -> None:
        self._store, self._artifacts, self._board, self._members = store, artifacts, board, members
        self._background = Background()

    async def fail(self, member: Member | None, attempt: Attempt, failure: Failure) -> bool:
        """Record a failure and do what the rules say becomes of task, job and replica; False when it is stale."""
        if failure.kind is FailureKind.DAMAGED:
            return await self._make_again(attempt, failure)
        held = member.holds(attempt.id) if member else None
        if held and held.news:
            held.news = False
            await insist(self._store.report_all, [held.reached])
        place = member.slot.place if member else attempt.replica
        verdict = self._board.failed(attempt, place, held.hold if held else None, failure.kind, failure.message)
        judgement = self._judgement(verdict)
        if not await insist(self._store.fail_attempt, attempt.id, failure.kind, failure.message, judgement):
            return False
        if verdict.job is not None:
            await self._pause(attempt.job_id, failure, verdict.job)
        if member is not None:
            self._treat(member, verdict)
            if failure.kind not in BLAMELESS:
                self._members.blame(member, f"{name_of(attempt)}: {failure.message}")
        return True

    async def _make_again(self, attempt: Attempt, failure: Failure) -> bool:
        """An input is damaged: who made it runs again, or the job waits for a person."""
        if not await insist(self._store.fail_for_damage, attempt.id, failure.artifact, failure.message):
            await self._pause(attempt.job_id, failure, Pause(f"{failure.message} Mend this, then go on with the job."))
        return True

    def _judgement(self, verdict: Verdict) -> Judgement:
        if isinstance(verdict.task, Fails):
            return Judgement(verdict.charges, f" {verdict.charges} times" if verdict.charges > 1 else "")
        until = verdict.task.not_before if isinstance(verdict.task, Again) else 0.0
        wait = until - self._board.now > NOTABLE_WAIT
        moment = datetime.fromtimestamp(self._board.on_wall(until), UTC) if wait else None
        return Judgement(verdict.charges, not_before=moment)

    def _treat(self, member: Member, verdict: Verdict) -> None:
        """Let a replica rest, or replace its process."""
        for other in self._members.all():
            if other.slot.place in verdict.others:
                other.trouble = verdict.others[other.slot.place]
        seat = verdict.seat
        member.trouble = seat.then if isinstance(seat, End) else seat
        if isinstance(seat, End):
            member.ending = seat.reason
            log.warning("%s: %s; its process is replaced", member.id, seat.reason)
            self._members.actors.end(member.handle)
            self._background.start(self._members.remove(member, seat.reason))

    async def note_loss(self, member: Member | None, attempt: Attempt, why: str) -> None:
        """Requeue the attempt of a dead replica."""
        if not await self.fail(member, attempt, Failure(FailureKind.LOST, f"replica lost: {why}")):
            return
        text = f"lost {attempt.replica} in {name_of(attempt)}: {why}; the task is queued again"
        data = {"attempt": attempt.id, "replica": attempt.replica}
        await insist(self._store.add_event, attempt.job_id, EventKind.REPLICA_LOST, text, data)
        await self.clear(attempt.job_id, attempt.id)

    async def _pause(self, job_id: str, failure: Failure, pause: Pause) -> None:
        """Let a job wait for somebody who mends what it met."""
        if (await insist(self._store.get_job, job_id)).state not in RUNNABLE:
            return
        data: dict[str, Any] = {"failure": failure.kind.value}
        await insist(self._store.add_event, job_id, EventKind.JOB_BLOCKED, f"paused: {pause.reason}", data)
        with suppress(ConflictError):
            await insist(self._store.pause_job, job_id)

    async def shelve(self, job_id: str, error: BaseException) -> None:
        """Let a job with which something is wrong wait for a person, who is told what."""
        message = describe_error(error)
        await self._pause(job_id, Failure(FailureKind.INTERRUPTION, message), Pause(message))

    async def clear(self, job_id: str, attempt_id: str) -> None:
        """Remove what an attempt left in its folder, but keep its log if there still is such a job."""
        if await insist(self._store.glance, [job_id]):
            await asyncio.to_thread(keep_log, self._artifacts, job_id, attempt_id)
        await self.discard(attempt_folder(job_id, attempt_id))

    async def discard(self, prefix: str) -> None:
        """Remove files that nobody needs; they may be gone already."""
        with courtesy():
            await asyncio.to_thread(self._artifacts.remove_prefix, prefix)


def name_of(attempt: Attempt) -> str:
    """The name of its task."""
    return attempt.task_id.rpartition(".")[2]
