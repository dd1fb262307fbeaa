"""A replica: one model on one device, as a Ray actor that executes one attempt at a time, and holds the next.

The work runs in a thread of its own; the actor's event loop stays free for control calls (``cancel``, ``holds``,
``wait``), so a replica answers while it denoises. A finished result is kept until it is acknowledged: whoever
coordinates may die and come back in between.
"""

import asyncio
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import ray

from farm.errors import ConflictError, FarmError, InputError
from farm.jobs.assets import NodeReport
from farm.jobs.records import Artifact, AttemptSpec
from farm.processes import sweep
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.artifacts.marker import unseen
from farm.work.executor import TaskExecutor
from farm.work.failures import Failure, describe_error, judge

from .calls import COORDINATOR, NAMESPACE
from .devices import DeviceFacts, Slot
from .looking import look_around, look_at

THREADS = 1
"""Torch threads of a CPU replica: results depend on their number, so it is the same everywhere."""
REPORT_SECONDS = 0.2
"""Least time between two progress reports of an attempt; its first and last step are always reported."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: with files (private keys) and facts on how they were made, or with a failure.

    ``notes`` are for the job's history.
    """

    spec: AttemptSpec
    files: tuple[Artifact, ...] = ()
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Holding:
    """What a replica has in its hands: the attempt it works on, the next, and those finished but not acknowledged."""

    running: str | None
    finished: tuple[str, ...]
    ahead: str | None = None


class Replica:
    """See the module."""

    def __init__(self, replica_id: str, settings: Settings, slot: Slot, far: bool = False) -> None:
        """``settings``: the coordinator's; ``far``: on another node than the coordinator, whose environment may name
        another way to the artifacts."""
        self.id = replica_id
        self._settings, self._misled = settings, ""
        if far:
            try:
                self._settings = settings.on_node(os.environ)
            except InputError as error:
                self._misled = str(error)
        self._slot = slot
        self._executor: TaskExecutor | None = None
        self._artifacts: ArtifactStore | None = None
        self._device: DeviceFacts | None = None
        self._coordinator = _Line()
        self._work = ThreadPoolExecutor(1, thread_name_prefix="work")
        self._stop = threading.Event()
        self._running: AttemptSpec | None = None
        self._ahead: AttemptSpec | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._changed = asyncio.Condition()

    async def describe(self) -> tuple[Slot, int]:
        """Its slot and process id: proof of life."""
        return self._slot, os.getpid()

    async def device(self) -> DeviceFacts:
        """What its device is; asked once, since torch has to be there for that."""
        if self._device is None:
            preserve = self._settings.gpu_memory_preservation
            loop = asyncio.get_running_loop()
            self._device = await loop.run_in_executor(self._work, look_at, self._slot.device, preserve)
        return self._device

    async def look_around(self) -> NodeReport:
        """What its node has; a first look at many weights takes minutes, beside the work."""
        return await asyncio.to_thread(look_around, self._settings)

    async def unfit(self, farm: str) -> str:
        """Why it can't work with the artifacts of the farm of this id; "" when it can."""
        return await asyncio.get_running_loop().run_in_executor(self._work, self._unfit, farm)

    def _unfit(self, farm: str) -> str:
        try:
            return self._misled or unseen(self._store(), farm)
        except FarmError as error:
            return str(error)

    async def start(self, spec: AttemptSpec) -> None:
        """Begin an attempt, or keep it as the next one, and return at once; doing it again is a no-op.

        Raises:
            ConflictError: another attempt is running, and another the next.
        """
        if spec.attempt_id in self._outcomes or self._has(spec.attempt_id):
            return
        if self._running is None:
            self._begin(spec)
        elif self._ahead is None:
            self._ahead = spec
        else:
            raise ConflictError(f"replica {self.id} is busy with {self._running.task_name}.")

    async def withdraw(self, attempt_id: str) -> bool:
        """Give back the next attempt; False when it has begun, or is not here."""
        if self._ahead is None or self._ahead.attempt_id != attempt_id:
            return False
        await self._give_back()
        return True

    def _has(self, attempt_id: str) -> bool:
        return any(spec and spec.attempt_id == attempt_id for spec in (self._running, self._ahead))

    def _begin(self, spec: AttemptSpec) -> None:
        self._running = spec
        self._stop.clear()
        self._task = asyncio.get_running_loop().create_task(self._run(spec))

    async def _give_back(self) -> None:
        """Whoever waits for it hears that it is not here."""
        async with self._changed:
            self._ahead = None
            self._changed.notify_all()

    async def wait(self, attempt_id: str, seconds: float) -> Outcome | None:
        """The attempt's outcome, as soon as there is one; None when it is still running after ``seconds``.

        Raises:
            ConflictError: this replica does not hold the attempt.
        """
        deadline = time.monotonic() + seconds
        async with self._changed:
            while attempt_id not in self._outcomes:
                if not self._has(attempt_id):
                    raise ConflictError(f"replica {self.id} does not hold attempt {attempt_id}.")
                try:
                    await asyncio.wait_for(self._changed.wait(), deadline - time.monotonic())
                except TimeoutError:
                    return None
        return self._outcomes[attempt_id]

    async def holds(self) -> Holding:
        """What this replica works on and what it keeps."""
        running, ahead = (spec.attempt_id if spec else None for spec in (self._running, self._ahead))
        return Holding(running, tuple(self._outcomes), ahead)

    async def acknowledge(self, attempt_id: str) -> None:
        """Forget an outcome: it is in the database now, or no longer wanted."""
        self._outcomes.pop(attempt_id, None)

    async def cancel(self, attempt_id: str) -> None:
        """Stop the attempt before its next step if it is the one running; give it back if it is the next."""
        if self._running and self._running.attempt_id == attempt_id:
            self._stop.set()
        elif self._ahead and self._ahead.attempt_id == attempt_id:
            await self._give_back()

    async def warm(self, family: str) -> Failure | None:
        """Load a model ahead of the first attempt that needs it; why that did not work."""
        return await asyncio.get_running_loop().run_in_executor(self._work, self._load, family)

    def _load(self, family: str) -> Failure | None:
        try:
            self._ready_executor().renderer(family)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, an attempt that needs the model would meet it
            log.warning("replica %s can't load %s: %s", self.id, family, describe_error(error))
            return judge(error)

    async def _run(self, spec: AttemptSpec) -> None:
        outcome = await asyncio.get_running_loop().run_in_executor(self._work, self._execute, spec)
        async with self._changed:
            self._outcomes[spec.attempt_id] = outcome
            self._running, following, self._ahead = None, self._ahead, None
            if following is not None:
                self._begin(following)
            self._changed.notify_all()

    def _execute(self, spec: AttemptSpec) -> Outcome:
        try:
            reporter = _Reporter(spec.attempt_id, self._stop, self._coordinator)
            reporter.begin()
            executor = self._ready_executor()
            files = tuple(executor.run(spec, reporter, self._stop.is_set))
            return Outcome(spec, files, notes=tuple(executor.take_notes()), facts=executor.take_facts())
        except BaseException as error:  # the boundary of an attempt: whatever happens becomes its outcome
            log.warning("%s of job %s: %s", spec.task_name, spec.job_id, describe_error(error), exc_info=True)
            return Outcome(spec, failure=judge(error))

    def _ready_executor(self) -> TaskExecutor:
        if self._executor is None:
            sweep()  # what an earlier replica left behind when it was killed
            self._executor = TaskExecutor(self._store(), self._slot.device, THREADS, self.id, self._settings)
        return self._executor

    def _store(self) -> ArtifactStore:
        if self._artifacts is None:
            self._artifacts = open_store(self._settings)
        return self._artifacts


class _Line:
    """The handle on the coordinator, looked up when it is first needed and after a call has failed."""

    def __init__(self) -> None:
        self._handle: Any = None

    def coordinator(self) -> Any:
        """Raises ValueError when there is none."""
        if self._handle is None:
            self._handle = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
        return self._handle

    def hang_up(self) -> None:
        self._handle = None


class _Reporter:
    """Sends progress to the coordinator without waiting; sets ``stop`` once it answers that the attempt is stale.

    An unreachable coordinator is no reason to stop: it may be restarting, and the commit is fenced anyway.
    """

    def __init__(self, attempt_id: str, stop: threading.Event, line: _Line) -> None:
        self._attempt_id = attempt_id
        self._stop = stop
        self._line = line
        self._sent = 0.0
        self._answer: Any = None

    def begin(self) -> None:
        """Say that the attempt has begun: it may have been held for a while."""
        self._send(0, 0)

    def __call__(self, step: int, steps: int) -> None:
        self._look_at_answer(wait=step == steps)
        now = time.monotonic()
        if self._answer is None and (now - self._sent >= REPORT_SECONDS or step in (1, steps)):
            self._send(step, steps)

    def _send(self, step: int, steps: int) -> None:
        self._sent = time.monotonic()
        try:
            self._answer = self._line.coordinator().report.remote(self._attempt_id, step, steps)
        except (ValueError, ray.exceptions.RayError):
            self._line.hang_up()

    def _look_at_answer(self, wait: bool) -> None:
        if self._answer is None:
            return
        try:
            done, _ = ray.wait([self._answer], timeout=0.05 if wait else 0)
            if done:
                answer, self._answer = self._answer, None
                if ray.get(answer) is False:
                    self._stop.set()
        except ray.exceptions.RayError:
            self._answer = None
            self._line.hang_up()
