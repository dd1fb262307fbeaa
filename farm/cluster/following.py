"""Following attempts: given to a replica, waited for, settled in the database, forgotten by the replica.

Whatever happens to one attempt, it ends with a reason and its replica is free again; nothing of it reaches another.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial

from ray.exceptions import ActorDiedError, RayError, RayTaskError

from farm.errors import ConflictError, FarmError, ShelvedJobError, StaleAttemptError, StorageError
from farm.jobs.events import EventKind
from farm.jobs.facts import seconds_of
from farm.jobs.records import Attempt, AttemptSpec, FailureKind, TaskKind
from farm.retention.sweep import tidy
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from farm.work.failures import Failure, describe_error, judge
from farm.work.specs import publish, spec_for

from .board import Board
from .calls import PROBE_SECONDS, Background, answer, courtesy, insist
from .commits import Commits
from .endings import Endings, name_of
from .members import Held, Member, Members
from .replica import Outcome

WAIT_SECONDS = 30.0
"""Length of one waiting call to a replica."""

log = logging.getLogger(__name__)


class Follower:
    """See the module. ``wake`` is called when something has changed that a decision may depend on, with the jobs whose
    rows should be read again. ``endings``: what becomes of attempts without a result."""

    def __init__(
        self,
        store: JobStore,
        artifacts: ArtifactStore,
        board: Board,
        members: Members,
        commits: Commits,
        wake: Callable[[Collection[str]], None],
    ) -> None:
        self._store, self._artifacts, self._board, self._members = store, artifacts, board, members
        self._commits, self.endings = commits, Endings(store, artifacts, board, members)
        self._wake = wake
        self._background = Background()

    def begin(self, member: Member, attempt: Attempt, spec: AttemptSpec | None) -> None:
        """Give an attempt to a replica and follow it, beside the caller; without a ``spec`` one is made first."""
        self._background.start(self._begin(member, attempt, spec))

    def go_on(self, member: Member, attempt: Attempt) -> None:
        """Follow an attempt that a replica has already."""
        self._background.start(self.follow(member, attempt))

    def drop(self, member: Member, attempt_id: str) -> None:
        """Stop an attempt that nobody wants any more, beside the caller."""
        self._background.start(self._drop(member, attempt_id))

    def cancel(self, member: Member, attempt_id: str) -> None:
        """Ask a replica to stop an attempt before its next step; following it goes on."""
        self._background.start(self._cancel(member, attempt_id))

    def hand_back(self) -> None:
        """End at once what people want replicas to let go of: it is nobody's fault, and done elsewhere."""
        for member, held, why in self._members.handing_back():
            held.unwanted = why
            self._background.start(self._hand_back(member, held, why))

    def withdraw(self, member: Member, held: Held, why: str) -> None:
        """Take back what a replica was to do next, unless it has begun."""
        self._background.start(self._withdraw(member, held, why))

    async def _begin(self, member: Member, attempt: Attempt, spec: AttemptSpec | None) -> None:
        try:
            if spec is None:
                job, task, artifacts = await insist(self._store.to_start, attempt)
                spec = spec_for(job, task, attempt, artifacts)
            await answer(member.handle.start.remote(spec), PROBE_SECONDS)
        except ShelvedJobError as error:
            await self._shelve(member, attempt, error)
            return
        except (FarmError, RayTaskError) as error:
            await self.endings.fail(member, attempt, Failure(FailureKind.NEVER_STARTED, describe_error(error)))
            self.release(member, attempt)
            return
        except (RayError, TimeoutError):
            pass  # whether it arrived is unknown; the replica is asked below
        except Exception as error:  # noqa: BLE001 - one attempt's trouble is its own
            await self._abandon(member, attempt, error)
            return
        if spec and spec.kind is not TaskKind.EXPORT:
            member.families = frozenset([spec.request.model_type])
        await self.follow(member, attempt)

    async def _shelve(self, member: Member, attempt: Attempt, error: ShelvedJobError) -> None:
        """The job can't go on as things are; no other hears of it."""
        await insist(self._store.fail_attempt, attempt.id, FailureKind.INTERRUPTION, describe_error(error))
        await self.endings.shelve(attempt.job_id, error)
        self.release(member, attempt)

    async def follow(self, member: Member, attempt: Attempt) -> None:
        """Wait for an attempt's outcome and settle it. Out of reach is not dead: only Ray's word counts."""
        pause = 0.2
        while True:
            try:
                outcome = await member.handle.wait.remote(attempt.id, WAIT_SECONDS)
                if outcome is not None:
                    await self._settle(member, attempt, outcome)
                    return
            except ActorDiedError:
                await self._bury(member, attempt)
                return
            except ConflictError:
                held = member.holds(attempt.id)
                kind = FailureKind.INTERRUPTION if held and held.unwanted else FailureKind.NEVER_STARTED
                why = held.unwanted if held and held.unwanted else f"{member.id} does not hold it"
                await self.endings.fail(member, attempt, Failure(kind, why))
                self.release(member, attempt)
                return
            except RayTaskError as error:
                await self._abandon(member, attempt, error.cause)
                return
            except (RayError, StorageError) as error:
                log.warning("%s: %s; asking again in %.1f s", member.id, error, pause)
                await asyncio.sleep(pause)
                pause = min(5.0, 2 * pause)
            except Exception as error:  # noqa: BLE001 - one attempt's trouble is its own
                await self._abandon(member, attempt, error)
                return

    async def _bury(self, member: Member, attempt: Attempt) -> None:
        """Its replica died: what it was at is lost, what it was to do next has never begun."""
        why = member.ending or "its process died"
        if member.ahead and member.ahead.attempt == attempt.id:
            await self.endings.fail(member, attempt, Failure(FailureKind.NEVER_STARTED, f"{member.id}: {why}"))
        else:
            await self.endings.note_loss(member, attempt, why)
        self._let_go(member, attempt.id)
        await self._members.remove(member, f"{why} in {name_of(attempt)}")

    async def _abandon(self, member: Member, attempt: Attempt, error: BaseException) -> None:
        """Nobody foresaw ``error``: the attempt ends with it, and its replica is free once it has let go."""
        log.error("%s of job %s", name_of(attempt), attempt.job_id, exc_info=error)
        await self.endings.fail(member, attempt, judge(error))
        await self._drop(member, attempt.id)

    async def _cancel(self, member: Member, attempt_id: str) -> None:
        with courtesy():
            await answer(member.handle.cancel.remote(attempt_id), PROBE_SECONDS)

    async def _withdraw(self, member: Member, held: Held, why: str) -> None:
        """Who does not answer may not hold work up: the attempt ends, and is refused should it come later."""
        held.unwanted = why
        kept = False
        with courtesy():
            kept = not await answer(member.handle.withdraw.remote(held.attempt), PROBE_SECONDS)
        if not kept:
            await insist(self._store.fail_attempt, held.attempt, FailureKind.INTERRUPTION, f"taken back: {why}")
            self._wake(())

    async def _hand_back(self, member: Member, held: Held, why: str) -> None:
        """The row is settled before the replica has let go, which may take it a step: its task may begin elsewhere."""
        running = await insist(self._store.running_attempts, member.id)
        for attempt in (attempt for attempt in running if attempt.id == held.attempt):
            await self.endings.fail(member, attempt, Failure(FailureKind.INTERRUPTION, f"handed back: {why}"))
        self._wake(())
        await self._cancel(member, held.attempt)

    async def _drop(self, member: Member, attempt_id: str) -> None:
        """Stop an attempt that nobody wants any more and forget its outcome."""
        if member.holds(attempt_id) is None:
            member.running = Held(attempt_id)
        await self._cancel(member, attempt_id)
        outcome = None
        with courtesy():
            while outcome is None:
                outcome = await member.handle.wait.remote(attempt_id, WAIT_SECONDS)
            await self.endings.clear(outcome.spec.job_id, attempt_id)
            member.handle.acknowledge.remote(attempt_id)
        self._let_go(member, attempt_id)

    # Settling

    async def _settle(self, member: Member, attempt: Attempt, outcome: Outcome) -> None:
        """Commit or fail an attempt, then let the replica forget it. A database fault is raised: it is tried again."""
        failure = outcome.failure
        for note in outcome.notes:
            await insist(self._store.add_event, attempt.job_id, EventKind.MEMORY_PLAN, note, {"attempt": attempt.id})
        if failure is None:
            failure = await self._commit(member, attempt, outcome)
        if failure is not None:
            await self.endings.fail(member, attempt, failure)
        self.release(member, attempt)
        member.handle.acknowledge.remote(attempt.id)
        await self.endings.clear(attempt.job_id, attempt.id)

    async def _commit(self, member: Member, attempt: Attempt, outcome: Outcome) -> Failure | None:
        try:
            files = await asyncio.to_thread(publish, self._artifacts, outcome.spec, outcome.files)
        except Exception as error:  # noqa: BLE001 - whatever the store's client raises, the attempt has no result
            return Failure(FailureKind.RESOURCES, describe_error(error))
        held = member.holds(attempt.id)
        reached = held.reached if held else None
        then = partial(self._committed, member, attempt, outcome)
        try:
            await self._commits.commit(attempt, files, outcome.facts, reached, then)
        except StaleAttemptError as error:
            log.warning("refused: %s", error)
            for file in files:
                await self.endings.discard(file.key)
        return None

    def _committed(self, member: Member, attempt: Attempt, outcome: Outcome) -> None:
        """What the next decision is to know of it; the replica is free again."""
        held = member.holds(attempt.id)
        if held and held.hold and held.hold.task and held.hold.task.needs.family:
            member.has_loaded(held.hold.task.needs.family)
        if outcome.spec.kind is TaskKind.EXPORT:
            self._background.start(self._tidy(attempt.job_id))
        seconds = seconds_of(outcome.facts)
        self._board.finished(member.slot.place, held.hold if held else None, member.slot.label, seconds)
        member.trouble, member.pace = None, self._board.paces.of(member.slot.place) or member.pace
        self._let_go(member, attempt.id, decided_next=True)

    async def _tidy(self, job_id: str) -> None:
        """Its video is there: what only served to make it goes."""
        with courtesy():
            await asyncio.to_thread(tidy, self._store, self._artifacts, job_id)

    def release(self, member: Member, attempt: Attempt) -> None:
        """The replica is free of it."""
        self._let_go(member, attempt.id)

    def _let_go(self, member: Member, attempt_id: str, decided_next: bool = False) -> None:
        """``decided_next``: a decision follows in any case; equal tasks must be read again all the same."""
        held = member.holds(attempt_id)
        if held is None:
            return
        member.release(attempt_id)
        twins = self._board.ended(held.hold.task) if held.hold and held.hold.task else set()
        if twins or not decided_next:
            self._wake(twins)
