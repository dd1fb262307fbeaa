"""The coordinator: gives ready tasks to idle replicas and commits what they made.

A named, detached, async Ray actor. It keeps nothing that can't be rebuilt: the database says what is done, the
replicas say what they hold. Ray starts it again when its process dies; it then re-attaches to the living replicas,
requeues the attempts of dead ones as interruptions, and goes on.
"""

import asyncio
import logging
import os
import time
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from farm.errors import ConflictError, FarmError, StaleAttemptError, StorageError
from farm.jobs.names import attempt_folder
from farm.jobs.records import Attempt, AttemptState, FailureKind, Job, JobState, Task, TaskKind, TaskState
from farm.jobs.request import RenderRequest
from farm.scheduling.planner import IdleReplica, ReadyTask, assign
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore

from .attempts import Failure, describe_error, judge, publish, settle_failure, spec_for
from .calls import COORDINATOR, HEAD, NAMESPACE, Background, answer, courtesy, insist
from .members import PROBE_SECONDS, Member, Members
from .replica import Outcome

TICK_SECONDS = 0.5
"""Longest time between two looks at the database; a nudge or a finished attempt shortens it."""
RECONCILE_SECONDS = 60.0
WAIT_SECONDS = 30.0
"""Length of one waiting call to a replica."""
NOT_THE_TASKS = (FailureKind.RESOURCES, FailureKind.REPLICA)

log = logging.getLogger(__name__)


class Coordinator:
    """See the module.

    ``job_id``: serve this job only; ``max_replicas``: use no more slots than that, whatever the nodes offer.
    """

    async def __init__(  # type: ignore[misc]
        self, settings: Settings, job_id: str | None = None, max_replicas: int | None = None
    ) -> None:
        self._store = JobStore(settings.database_url)
        self._artifacts = ArtifactStore(settings.artifacts_url)
        self._job_id = job_id
        self._wake = asyncio.Event()
        self._members = Members(settings, self._store, max_replicas, self._likely_family, self._wake.set)
        self._background = Background()
        self._recovered = self._stopping = False
        self._reconciled = time.monotonic()
        self._started = time.time()
        self._loop = asyncio.get_running_loop().create_task(self._run())

    # Called from outside

    async def nudge(self) -> None:
        """Look at the database now: a job was submitted, cancelled, paused or resumed."""
        self._wake.set()

    async def report(self, attempt_id: str, step: int, steps: int) -> bool:
        """Note a replica's progress; False tells it to abort."""
        return await asyncio.to_thread(self._store.report_progress, attempt_id, step, steps)

    async def status(self) -> dict[str, Any]:
        """Process id, whether recovery is done, and the replicas with node, device, state and process id."""
        replicas = [
            {"id": m.id, "node": m.slot.node, "device": m.slot.device, "state": m.state, "pid": m.pid}
            for m in self._members.all()
        ]
        return {"pid": os.getpid(), "recovered": self._recovered, "started": self._started, "replicas": replicas}

    async def stop(self, seconds: float = 10.0) -> None:
        """Start nothing more, stop what runs between two steps, and record it as interrupted."""
        self._stopping = True
        for member in self._members.all():
            if member.attempt:
                self._background.start(self._cancel(member, member.attempt))
        deadline = time.monotonic() + seconds
        while any(member.attempt for member in self._members.all()) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for attempt in await self._running_attempts():
            await self._fail(attempt, Failure(FailureKind.INTERRUPTION, "the farm was stopped"))
        for member in self._members.all():
            await self._members.note(member, "stopped")

    # The loop

    async def _run(self) -> None:
        while not self._stopping:
            try:
                if not self._recovered:
                    await self._recover()
                    self._recovered = True
                await self._tick()
            except Exception:  # the boundary of the process: a fault of database or Ray must not end the loop
                log.exception("coordinator: this round failed; trying again")
                await asyncio.sleep(1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)
            self._wake.clear()

    async def _tick(self) -> None:
        if time.monotonic() - self._reconciled >= RECONCILE_SECONDS:
            await self._reconcile()
        await self._members.sweep()
        await self._obey()
        await self._dispatch()
        await self._members.note_all()

    async def _reconcile(self) -> None:
        self._reconciled = time.monotonic()
        for line in await asyncio.to_thread(self._store.reconcile):
            log.warning("reconciled: %s", line)

    async def _recover(self) -> None:
        """Find out what survived: replicas that live, attempts that they hold, attempts that nobody holds."""
        await asyncio.to_thread(self._store.migrate)
        found = {member.id: (member, holding) for member, holding in await self._members.find()}
        attempts = {attempt.id: attempt for attempt in await self._running_attempts()}
        for attempt in attempts.values():
            if attempt.replica not in found:
                await self._note_loss(attempt, "its replica is gone")
                continue
            member, holding = found[attempt.replica]
            if holding is not None and attempt.id not in (holding.running, *holding.finished):
                await self._fail(attempt, Failure(FailureKind.NEVER_STARTED, f"{attempt.replica} never got it"))
                continue
            member.attempt = attempt.id
            text = f"a new coordinator found {attempt.replica} at work on {_task_name(attempt)} and lets it go on"
            data = {"attempt": attempt.id, "replica": attempt.replica}
            await insist(self._store.add_event, attempt.job_id, "attempt_reattached", text, data)
            self._background.start(self._follow(member, attempt))
        for member, holding in found.values():
            for attempt_id in holding.finished if holding else ():
                if attempt_id not in attempts:
                    member.handle.acknowledge.remote(attempt_id)
            if holding and holding.running and holding.running not in attempts:
                self._background.start(self._drop(member, holding.running))
        await self._reconcile()

    async def _likely_family(self) -> str:
        if self._job_id is not None:
            return (await insist(self._store.get_job, self._job_id)).family
        jobs, _ = await insist(self._store.list_jobs, limit=1)
        return jobs[0].family if jobs else str(RenderRequest.model_fields["model_type"].default)

    async def _running_attempts(self) -> list[Attempt]:
        attempts = await insist(self._store.running_attempts)
        return [attempt for attempt in attempts if self._job_id in (None, attempt.job_id)]

    # Starting and stopping work

    async def _obey(self) -> None:
        """Stop the replicas whose attempts are no longer current, because their job was cancelled."""
        busy = [member for member in self._members.all() if member.attempt]
        if not busy:
            return
        current = {attempt.id for attempt in await asyncio.to_thread(self._store.running_attempts)}
        for member in busy:
            if member.attempt and member.attempt not in current:
                self._background.start(self._cancel(member, member.attempt))

    async def _cancel(self, member: Member, attempt_id: str) -> None:
        with courtesy():
            await answer(member.handle.cancel.remote(attempt_id), PROBE_SECONDS)

    async def _dispatch(self) -> None:
        idle = {member.id: member for member in self._members.all() if member.state == "idle"}
        if not idle or self._stopping:
            return
        ready = {task.id: (task, job) for task, job in await self._ready()}
        choice = assign(
            [_ready_task(task, job) for task, job in ready.values()],
            [IdleReplica(m.id, m.families, 10.0 if m.slot.device == "cuda" else 1.0) for m in idle.values()],
        )
        for assignment in choice:
            task, job = ready[assignment.task_id]
            member = idle[assignment.replica]
            try:
                attempt = await asyncio.to_thread(self._store.start_attempt, task.id, member.id)
            except ConflictError:
                continue  # its job was paused or cancelled in this moment
            member.attempt = attempt.id
            self._background.start(self._begin(member, job, task, attempt))

    async def _ready(self) -> list[tuple[Task, Job]]:
        if self._job_id is None:
            return await asyncio.to_thread(self._store.ready_tasks)
        job = await asyncio.to_thread(self._store.get_job, self._job_id)
        if job.state not in (JobState.PENDING, JobState.RUNNING):
            return []
        tasks = await asyncio.to_thread(self._store.tasks, self._job_id)
        return [(task, job) for task in tasks if task.state is TaskState.READY]

    async def _begin(self, member: Member, job: Job, task: Task, attempt: Attempt) -> None:
        try:
            spec = spec_for(job, task, attempt, await insist(self._store.artifacts, job.id))
            await answer(member.handle.start.remote(spec), PROBE_SECONDS)
        except (FarmError, RayTaskError) as error:
            await self._fail(attempt, Failure(FailureKind.NEVER_STARTED, describe_error(error)))
            self._release(member, attempt, troubled=True)
            return
        except (RayError, TimeoutError):
            pass  # whether it arrived is unknown; the replica is asked below
        except Exception as error:  # noqa: BLE001 - one attempt's trouble is its own
            await self._abandon(member, attempt, error)
            return
        if task.kind is not TaskKind.EXPORT:
            member.families = frozenset([job.family])
        await self._follow(member, attempt)

    async def _follow(self, member: Member, attempt: Attempt) -> None:
        """Wait for an attempt's outcome and settle it. Out of reach is not dead: only Ray's word counts."""
        pause = 0.2
        while True:
            try:
                outcome = await member.handle.wait.remote(attempt.id, WAIT_SECONDS)
                if outcome is not None:
                    await self._settle(member, attempt, outcome)
                    return
            except ActorDiedError:
                await self._note_loss(attempt, "its process died")
                await self._members.remove(member, f"its process died in {_task_name(attempt)}")
                return
            except ConflictError:
                await self._fail(attempt, Failure(FailureKind.NEVER_STARTED, f"{member.id} does not hold it"))
                self._release(member, attempt)
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

    async def _abandon(self, member: Member, attempt: Attempt, error: BaseException) -> None:
        """Nobody foresaw ``error``: the attempt ends with it, and its replica is free once it has let go."""
        log.error("%s of job %s", _task_name(attempt), attempt.job_id, exc_info=error)
        await self._fail(attempt, judge(error))
        await self._drop(member, attempt.id, troubled=True)

    async def _drop(self, member: Member, attempt_id: str, troubled: bool = False) -> None:
        """Stop an attempt that nobody wants any more and forget its outcome."""
        member.attempt = attempt_id
        await self._cancel(member, attempt_id)
        outcome = None
        with courtesy():
            while outcome is None:
                outcome = await member.handle.wait.remote(attempt_id, WAIT_SECONDS)
            await self._discard(outcome.spec.output_prefix)
            member.handle.acknowledge.remote(attempt_id)
        member.release(attempt_id, troubled)
        self._wake.set()

    # Settling

    async def _settle(self, member: Member, attempt: Attempt, outcome: Outcome) -> None:
        """Commit or fail an attempt, then let the replica forget it. A database fault is raised: it is tried again."""
        failure = outcome.failure
        for note in outcome.notes:
            await insist(self._store.add_event, attempt.job_id, "memory_plan", note, {"attempt": attempt.id})
        if failure is None:
            failure = await self._commit(attempt, outcome)
        if failure is not None:
            await self._fail(attempt, failure)
        await self._discard(outcome.spec.output_prefix)
        member.handle.acknowledge.remote(attempt.id)
        self._release(member, attempt, troubled=failure is not None and failure.kind in NOT_THE_TASKS)

    async def _commit(self, attempt: Attempt, outcome: Outcome) -> Failure | None:
        """Publish an attempt's files and take over its result; says why that can't be done."""
        try:
            files = await asyncio.to_thread(publish, self._artifacts, outcome.spec, outcome.files)
        except Exception as error:  # noqa: BLE001 - whatever the store's client raises, the attempt has no result
            return Failure(FailureKind.RESOURCES, describe_error(error))
        try:
            await asyncio.to_thread(self._store.commit_attempt, attempt.id, files, outcome.facts)
        except StaleAttemptError as error:
            log.warning("refused: %s", error)
            for file in files:
                await self._discard(file.key)
        return None

    def _release(self, member: Member, attempt: Attempt, troubled: bool = False) -> None:
        member.release(attempt.id, troubled)
        self._wake.set()

    async def _fail(self, attempt: Attempt, failure: Failure) -> None:
        """Record a failure; its job waits for a person where more attempts won't help."""
        mended = await insist(settle_failure, self._store, attempt, failure)
        if failure.kind in NOT_THE_TASKS:
            mended = not await self._keeps_failing(attempt)
        if not mended:
            await self._pause(attempt.job_id, failure)

    async def _note_loss(self, attempt: Attempt, why: str) -> None:
        """Requeue the attempt of a dead replica."""
        if not await insist(self._store.fail_attempt, attempt.id, FailureKind.LOST, f"replica lost: {why}"):
            return
        text = f"lost {attempt.replica} in {_task_name(attempt)}: {why}; the task is queued again"
        data = {"attempt": attempt.id, "replica": attempt.replica}
        await insist(self._store.add_event, attempt.job_id, "replica_lost", text, data)
        await self._discard(attempt_folder(attempt.job_id, attempt.id))

    async def _keeps_failing(self, attempt: Attempt) -> bool:
        """Whether the task met a full disk or a broken replica twice in a row."""
        attempts = await insist(self._store.attempts, attempt.job_id)
        last = [a for a in attempts if a.task_id == attempt.task_id and a.state is not AttemptState.INTERRUPTED][-2:]
        return len(last) == 2 and all(a.failure in NOT_THE_TASKS for a in last)

    async def _pause(self, job_id: str, failure: Failure) -> None:
        """Let a job wait for somebody who mends what it met."""
        if (await insist(self._store.get_job, job_id)).state is not JobState.RUNNING:
            return
        text = f"paused: {failure.message} Mend this, then go on with the job."
        await insist(self._store.add_event, job_id, "job_blocked", text, {"failure": failure.kind.value})
        with suppress(ConflictError):
            await insist(self._store.pause_job, job_id)

    async def _discard(self, prefix: str) -> None:
        with courtesy():
            await asyncio.to_thread(self._artifacts.remove_prefix, prefix)


def start_coordinator(settings: Settings, job_id: str | None = None, max_replicas: int | None = None) -> Any:
    """The coordinator's handle on the Ray cluster at hand; starts one on the head node when there is none."""
    actor: Any = ray.remote(Coordinator)
    return actor.options(
        name=COORDINATOR,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_concurrency=1000,
        num_cpus=0,
        resources={HEAD: 0.001},
    ).remote(settings, job_id, max_replicas)


def _ready_task(task: Task, job: Job) -> ReadyTask:
    """The planner's view of a task: sections weigh ten, so that one on a long chain goes before any decode."""
    family = "" if task.kind is TaskKind.EXPORT else job.family
    return ReadyTask(task.id, job.id, job.priority, job.created_at.timestamp(), task.chain, family)


def _task_name(attempt: Attempt) -> str:
    return attempt.task_id.rpartition(".")[2]
