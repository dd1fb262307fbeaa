"""The coordinator: gives ready tasks to idle replicas and commits what they made.

A named, detached, async Ray actor. It keeps nothing that can't be rebuilt: the database says what is done, the
replicas say what they hold. Ray starts it again when its process dies; it then re-attaches to the living replicas,
requeues the attempts of dead ones as interruptions, and goes on.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import ray
from ray.exceptions import ActorDiedError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from farm.errors import ConflictError, FarmError, StaleAttemptError, StorageError
from farm.jobs.graph import plan_for
from farm.jobs.records import Attempt, AttemptState, FailureKind, Job, JobState, Task, TaskKind, TaskState
from farm.scheduling.planner import IdleReplica, ReadyTask, assign
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore

from .attempts import publish, spec_for
from .devices import Slot, missing_slots, slots_of
from .replica import COORDINATOR, NAMESPACE, Holding, Outcome, Replica

TICK_SECONDS = 0.5
"""Longest time between two looks at the database; a nudge or a finished attempt shortens it."""
SWEEP_SECONDS = 3.0
"""Time between two looks at nodes and idle replicas."""
RECONCILE_SECONDS = 60.0
WAIT_SECONDS = 30.0
"""Length of one waiting call to a replica."""
PROBE_SECONDS = 10.0
START_SECONDS = 120.0
"""A replica that has not answered by then is replaced."""
FREE_LOSSES = 5
"""How often a task may lose its replica before that counts as the task's own failure."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass
class _Member:
    """What the coordinator knows about a replica; rebuilt from the replica after a restart."""

    id: str
    slot: Slot
    handle: Any
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    attempt: str | None = None
    families: frozenset[str] = frozenset()
    troubles: int = 0
    rests_until: float = 0.0
    probing: bool = False
    pid: int = 0
    noted: tuple[str, float] = ("", 0.0)

    @property
    def state(self) -> str:
        if not self.ready:
            return "starting"
        if self.attempt:
            return "busy"
        return "resting" if self.rests_until > time.monotonic() else "idle"


class Coordinator:
    """See the module.

    ``job_id``: serve this job only; ``max_replicas``: use no more slots than that, whatever the nodes offer.
    """

    async def __init__(  # type: ignore[misc]
        self, settings: Settings, job_id: str | None = None, max_replicas: int | None = None
    ) -> None:
        self._store = JobStore(settings.database_url)
        self._artifacts = ArtifactStore(settings.artifacts_url)
        self._settings = settings
        self._job_id = job_id
        self._max_replicas = max_replicas
        self._members: dict[str, _Member] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovered = self._stopping = False
        self._swept = self._reconciled = 0.0
        self._failed_starts = 0
        self._next_start = 0.0
        self._started = time.time()
        self._main = asyncio.get_running_loop().create_task(self._run())

    # Called from outside

    async def nudge(self) -> None:
        """Look at the database now: a job was submitted, cancelled, paused or resumed."""
        self._wake.set()

    async def report(self, attempt_id: str, step: int, steps: int) -> bool:
        """Note a replica's progress; False tells it to abort."""
        return await asyncio.to_thread(self._store.report_progress, attempt_id, step, steps)

    async def status(self) -> dict[str, Any]:
        """Process id, whether recovery is done, and the replicas with state, process id and attempt."""
        replicas = [
            {
                "id": m.id,
                "node": m.slot.node,
                "device": m.slot.device,
                "state": m.state,
                "pid": m.pid,
                "attempt": m.attempt,
            }
            for m in self._members.values()
        ]
        return {"pid": os.getpid(), "recovered": self._recovered, "started": self._started, "replicas": replicas}

    async def stop(self, seconds: float = 10.0) -> None:
        """Start nothing more, stop what runs between two steps, and record it as interrupted."""
        self._stopping = True
        for member in list(self._members.values()):
            if member.attempt:
                self._spawn(self._cancel(member, member.attempt))
        deadline = time.monotonic() + seconds
        while any(member.attempt for member in self._members.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for attempt in await self._running_attempts():
            await self._fail(attempt.id, FailureKind.INTERRUPTION, "the farm was stopped")
        for member in self._members.values():
            await asyncio.to_thread(
                self._store.upsert_replica, member.id, member.slot.node, member.slot.label, "stopped"
            )

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
        now = time.monotonic()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            await self._sweep()
        if now - self._reconciled >= RECONCILE_SECONDS:
            self._reconciled = now
            for line in await asyncio.to_thread(self._store.reconcile):
                log.warning("reconciled: %s", line)
        await self._obey()
        await self._dispatch()
        await self._note_members()

    async def _recover(self) -> None:
        """Find out what survived: replicas that live, attempts that they hold, attempts that nobody holds."""
        await asyncio.to_thread(self._store.migrate)
        actors = await asyncio.to_thread(ray.util.list_named_actors, True)
        names = [actor["name"] for actor in actors if actor["namespace"] == NAMESPACE]
        holdings = await asyncio.gather(*[self._reattach(name) for name in names if name.startswith("replica-")])
        held: dict[str, tuple[_Member, Holding | None]] = {m.id: (m, holding) for m, holding in filter(None, holdings)}
        attempts = {attempt.id: attempt for attempt in await self._running_attempts()}
        for attempt in attempts.values():
            member, holding = held.get(attempt.replica, (None, None))
            if member is None:
                await self._note_loss(attempt, "its replica is gone")
            elif holding is None or attempt.id in (holding.running, *holding.finished):
                member.attempt = attempt.id
                text = f"a new coordinator took over {attempt.replica} with its work"
                data = {"attempt": attempt.id, "replica": attempt.replica}
                await asyncio.to_thread(self._store.add_event, attempt.job_id, "attempt_reattached", text, data)
                self._spawn(self._follow(member, attempt))
            else:
                await self._fail(attempt.id, FailureKind.NEVER_STARTED, f"{attempt.replica} never got it")
        for member, holding in held.values():
            for attempt_id in holding.finished if holding else ():
                if attempt_id not in attempts:
                    member.handle.acknowledge.remote(attempt_id)
            if holding and holding.running and holding.running not in attempts:
                self._spawn(self._drop(member, holding.running))
        for row in await asyncio.to_thread(self._store.replicas):
            if row.id not in self._members:
                await asyncio.to_thread(self._store.remove_replica, row.id)
        for line in await asyncio.to_thread(self._store.reconcile):
            log.warning("reconciled: %s", line)

    async def _reattach(self, name: str) -> tuple[_Member, Holding | None] | None:
        """A living replica of an earlier coordinator with what it holds; what is None when it does not answer."""
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
            slot, pid = await _answer(handle.describe.remote(), PROBE_SECONDS)
            holding = await _answer(handle.holds.remote(), PROBE_SECONDS)
        except (ValueError, ActorDiedError):
            return None
        except (RayError, TimeoutError):
            slot, pid, holding = Slot("", "cpu", "CPU"), 0, None
        member = _Member(name, slot, handle, ready=True, pid=pid)
        self._members[name] = member
        return member, holding

    # Replicas

    async def _sweep(self) -> None:
        """Give every free slot a replica, and make sure that those without work are alive."""
        nodes = await asyncio.to_thread(ray.nodes)
        wanted = [slot for node in nodes for slot in slots_of(node)][: self._max_replicas]
        for slot in missing_slots(wanted, [member.slot for member in self._members.values()]):
            if time.monotonic() >= self._next_start:
                await self._add_member(slot)
        for member in list(self._members.values()):
            if not member.attempt and member.ready and not member.probing:
                self._spawn(self._probe(member))

    async def _add_member(self, slot: Slot) -> None:
        name = f"replica-{slot.node[:6]}-{uuid4().hex[:6]}"
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "max_restarts": 0,
            "num_cpus": slot.num_cpus,
            "num_gpus": slot.num_gpus,
            "max_concurrency": 1000,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        actor: Any = ray.remote(Replica)
        handle = await asyncio.to_thread(actor.options(**options).remote, name, self._settings, slot)
        self._members[name] = member = _Member(name, slot, handle)
        self._spawn(self._greet(member))

    async def _greet(self, member: _Member) -> None:
        try:
            _, member.pid = await _answer(member.handle.describe.remote(), START_SECONDS)
        except (RayError, TimeoutError) as error:
            self._failed_starts += 1
            self._next_start = time.monotonic() + min(60.0, 2.0**self._failed_starts)
            log.error("%s did not start: %s", member.id, error)
            await self._remove_member(member, f"did not start: {type(error).__name__}")
            return
        self._failed_starts = 0
        member.ready = True
        self._wake.set()

    async def _probe(self, member: _Member) -> None:
        member.probing = True
        try:
            await _answer(member.handle.describe.remote(), PROBE_SECONDS)
        except ActorDiedError:
            if not member.attempt:
                await self._remove_member(member, "its process died")
        except (RayError, TimeoutError):
            log.warning("%s does not answer", member.id)
        finally:
            member.probing = False

    async def _remove_member(self, member: _Member, why: str) -> None:
        if self._members.pop(member.id, None) is None:
            return
        log.warning("%s: %s", member.id, why)
        with _quiet():
            ray.kill(member.handle)
        await asyncio.to_thread(
            self._store.upsert_replica, member.id, member.slot.node, member.slot.label, "lost", message=why
        )
        self._swept = 0.0
        self._wake.set()

    async def _note_members(self) -> None:
        """Write the replica rows that changed, and the others every few seconds as a sign of life."""
        for member in list(self._members.values()):
            state, now = member.state, time.monotonic()
            if state != member.noted[0] or now - member.noted[1] > SWEEP_SECONDS:
                member.noted = (state, now)
                data = {"attempt": member.attempt, "pid": member.pid}
                await asyncio.to_thread(
                    self._store.upsert_replica, member.id, member.slot.node, member.slot.label, state, data=data
                )

    # Work

    async def _running_attempts(self) -> list[Attempt]:
        attempts = await asyncio.to_thread(self._store.running_attempts)
        return [attempt for attempt in attempts if self._job_id in (None, attempt.job_id)]

    async def _obey(self) -> None:
        """Stop the replicas whose attempts are no longer current, because their job was cancelled."""
        busy = [member for member in self._members.values() if member.attempt]
        if busy:
            current = {attempt.id for attempt in await asyncio.to_thread(self._store.running_attempts)}
            for member in busy:
                if member.attempt and member.attempt not in current:
                    self._spawn(self._cancel(member, member.attempt))

    async def _cancel(self, member: _Member, attempt_id: str) -> None:
        with _quiet():
            await _answer(member.handle.cancel.remote(attempt_id), PROBE_SECONDS)

    async def _dispatch(self) -> None:
        idle = {member.id: member for member in self._members.values() if member.state == "idle"}
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
                continue  # paused or cancelled in this moment
            member.attempt = attempt.id
            self._spawn(self._begin(member, job, task, attempt))

    async def _ready(self) -> list[tuple[Task, Job]]:
        if self._job_id is None:
            return await asyncio.to_thread(self._store.ready_tasks)
        job = await asyncio.to_thread(self._store.get_job, self._job_id)
        if job.state not in (JobState.PENDING, JobState.RUNNING):
            return []
        tasks = await asyncio.to_thread(self._store.tasks, self._job_id)
        return [(task, job) for task in tasks if task.state is TaskState.READY]

    async def _begin(self, member: _Member, job: Job, task: Task, attempt: Attempt) -> None:
        try:
            spec = spec_for(job, task, attempt, await self._insist(self._store.artifacts, job.id))
            await _answer(member.handle.start.remote(spec), PROBE_SECONDS)
        except FarmError as error:
            await self._fail(attempt.id, FailureKind.NEVER_STARTED, str(error))
            self._release(member, attempt.id, troubled=True)
            return
        except (RayError, TimeoutError):
            pass  # whether it arrived is unknown: the replica is asked for it below
        member.families = frozenset([job.request.model_type]) if task.kind is not TaskKind.EXPORT else member.families
        await self._follow(member, attempt)

    async def _follow(self, member: _Member, attempt: Attempt) -> None:
        """Wait for an attempt's outcome and settle it. Out of reach is not dead: only Ray's word counts."""
        pause = 0.2
        while True:
            try:
                outcome = await member.handle.wait.remote(attempt.id, WAIT_SECONDS)
                if outcome is not None:
                    await self._settle(member, attempt, outcome)
                    return
            except ActorDiedError:
                await self._note_loss(attempt, f"{member.id} died")
                await self._remove_member(member, f"died in {attempt.task_id}")
                return
            except ConflictError:
                await self._fail(attempt.id, FailureKind.NEVER_STARTED, f"{member.id} does not hold it")
                self._release(member, attempt.id)
                return
            except (RayError, StorageError) as error:
                log.warning("%s: %s; asking again in %.1f s", member.id, error, pause)
                await asyncio.sleep(pause)
                pause = min(5.0, 2 * pause)

    async def _settle(self, member: _Member, attempt: Attempt, outcome: Outcome) -> None:
        """Commit or fail an attempt, then let the replica forget it. A database fault is raised: it is tried again."""
        failure, message = outcome.failure, outcome.message
        if failure is None:
            try:
                files = await asyncio.to_thread(publish, self._artifacts, outcome.spec, outcome.files)
            except FarmError as error:
                failure, message = FailureKind.RESOURCES, str(error)
            else:
                try:
                    await asyncio.to_thread(self._store.commit_attempt, attempt.id, files)
                except StaleAttemptError as error:
                    log.warning("refused: %s", error)
                    await self._discard([file.key for file in files])
        if failure is not None:
            await self._fail(attempt.id, failure, message)
            await self._pause_without_resources(attempt, failure, message)
        await self._discard([outcome.spec.output_prefix])
        member.handle.acknowledge.remote(attempt.id)
        self._release(member, attempt.id, troubled=failure in (FailureKind.RESOURCES, FailureKind.REPLICA))

    def _release(self, member: _Member, attempt_id: str, troubled: bool = False) -> None:
        """The replica is free; after a failure that is not the task's it rests, longer each time."""
        if member.attempt != attempt_id:
            return
        member.attempt = None
        member.troubles = member.troubles + 1 if troubled else 0
        member.rests_until = time.monotonic() + min(60.0, 0.5 * 2**member.troubles) if troubled else 0.0
        self._wake.set()

    async def _drop(self, member: _Member, attempt_id: str) -> None:
        """Stop an attempt that nobody wants any more and forget its outcome."""
        member.attempt = attempt_id
        await self._cancel(member, attempt_id)
        try:
            outcome = None
            while outcome is None:
                outcome = await member.handle.wait.remote(attempt_id, WAIT_SECONDS)
            await self._discard([outcome.spec.output_prefix])
            member.handle.acknowledge.remote(attempt_id)
        except (RayError, FarmError) as error:
            log.warning("%s: %s", member.id, error)
        self._release(member, attempt_id)

    async def _note_loss(self, attempt: Attempt, why: str) -> None:
        """Requeue the attempt of a dead replica; a task that keeps losing replicas is taken to kill them."""
        if (await self._attempt_is_current(attempt)) is False:
            return
        data = {"attempt": attempt.id, "replica": attempt.replica}
        text = f"lost {attempt.replica}: {why}; its work is queued again"
        await self._insist(self._store.add_event, attempt.job_id, "replica_lost", text, data)
        await self._fail(attempt.id, await self._loss_kind(attempt), f"replica lost: {why}")
        await self._discard([f"jobs/{attempt.job_id}/attempts/{attempt.id}"])

    async def _attempt_is_current(self, attempt: Attempt) -> bool:
        return any(
            other.id == attempt.id for other in await self._insist(self._store.running_attempts, attempt.replica)
        )

    async def _loss_kind(self, attempt: Attempt) -> FailureKind:
        """INTERRUPTION, or TASK once the same task has lost replicas often enough."""
        attempts = await self._insist(self._store.attempts, attempt.job_id)
        lost = [a for a in attempts if a.task_id == attempt.task_id and a.message.startswith("replica lost")]
        return FailureKind.TASK if len(lost) >= FREE_LOSSES else FailureKind.INTERRUPTION

    async def _fail(self, attempt_id: str, kind: FailureKind, message: str) -> None:
        await self._insist(self._store.fail_attempt, attempt_id, kind, message)

    async def _insist(self, call: Callable[..., T], *args: Any) -> T:
        """Call the database, again and again while it is away."""
        pause = 0.2
        while True:
            try:
                return await asyncio.to_thread(call, *args)
            except StorageError as error:
                log.warning("%s; trying again in %.1f s", error, pause)
                await asyncio.sleep(pause)
                pause = min(5.0, 2 * pause)

    async def _pause_without_resources(self, attempt: Attempt, failure: FailureKind, message: str) -> None:
        """Pause a job that twice in a row met a full disk, damaged file or broken replica: more attempts won't help."""
        if failure not in (FailureKind.RESOURCES, FailureKind.REPLICA):
            return
        attempts = await self._insist(self._store.attempts, attempt.job_id)
        last = [a for a in attempts if a.task_id == attempt.task_id and a.state is not AttemptState.INTERRUPTED][-2:]
        if len(last) == 2 and all(a.failure in (FailureKind.RESOURCES, FailureKind.REPLICA) for a in last):
            try:
                await self._insist(self._store.pause_job, attempt.job_id)
            except ConflictError:
                return
            text = f"paused: {message} Resume the job when this is mended."
            await self._insist(self._store.add_event, attempt.job_id, "job_blocked", text, {"failure": failure.value})

    async def _discard(self, keys: list[str]) -> None:
        for key in keys:
            with _quiet():
                await asyncio.to_thread(self._artifacts.remove_prefix, key)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("coordinator: a background step failed", exc_info=task.exception())


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
        resources={"node:__internal_head__": 0.001},
    ).remote(settings, job_id, max_replicas)


def _ready_task(task: Task, job: Job) -> ReadyTask:
    """The planner's view of a task: sections weigh ten, so that one on a long chain goes before any decode."""
    plan = plan_for(job.request)
    rest = {TaskKind.ENCODE: 10 * plan.depth + 3, TaskKind.DECODE: 2, TaskKind.EXPORT: 1}
    chain = (
        rest[task.kind]
        if task.section is None or task.kind is TaskKind.DECODE
        else 10 * plan.remaining[task.section] + 2
    )
    family = "" if task.kind is TaskKind.EXPORT else job.request.model_type
    return ReadyTask(task.id, job.id, job.request.priority, job.created_at.timestamp(), chain, family)


async def _answer(reference: Any, seconds: float) -> Any:
    """What an actor call returns; TimeoutError when that takes longer."""

    async def result() -> Any:
        return await reference

    return await asyncio.wait_for(result(), seconds)


@contextmanager
def _quiet() -> Iterator[None]:
    """For courtesies that may fail: the other side may be gone already."""
    try:
        yield
    except (RayError, FarmError, TimeoutError) as error:
        log.info("ignored: %s", error)
