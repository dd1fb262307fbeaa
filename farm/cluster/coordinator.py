"""The coordinator: looks at the rows, lets scheduling decide, and carries that out.

A named, detached, async Ray actor. It keeps nothing that can't be rebuilt: the database says what is done, the
replicas say what they hold. Ray starts it again when its process dies; it then re-attaches to the living replicas,
requeues the attempts of dead ones as interruptions, and goes on.
"""

import asyncio
import functools
import gc
import logging
import os
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import ray

from farm.jobs.records import FailureKind
from farm.notify.outbox import Outbox
from farm.scheduling.machine import Scale
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.artifacts.marker import farm_id
from farm.store.jobs import JobStore
from farm.work.failures import Failure

from .autoscale import Autoscaler
from .board import Board
from .calls import COORDINATOR, HEAD, NAMESPACE
from .commits import Commits
from .dispatch import Dispatcher
from .following import Follower
from .foresight import Foresight
from .housekeeping import Housekeeping
from .members import Members
from .nodes import Nodes
from .progress import Progress
from .queue import QueueReader
from .recovery import recover
from .unwanted import Unwanted

TICK_SECONDS = 0.5
"""Longest time between two looks at the database; a nudge or a finished attempt shortens it."""
CALLS = 32
"""Calls of store and files that may wait at a time; asyncio's own number follows that of the cores."""

log = logging.getLogger(__name__)


class Coordinator:
    """See the module.

    ``job_id``: serve this job only; ``max_replicas``: use no more slots than that, whatever the nodes offer; ``scale``:
    machines that Ray's autoscaler may start and end for the queue.
    """

    async def __init__(  # type: ignore[misc]
        self, settings: Settings, job_id: str | None = None, max_replicas: int | None = None, scale: Scale | None = None
    ) -> None:
        self._store, self._job_id, self._wake = JobStore(settings.database_url), job_id, asyncio.Event()
        self._board = board = Board(alone=job_id is not None, model_limits=settings.model_limits)
        self._queue, nodes = QueueReader(self._store, board, job_id), Nodes(self._store, board.nodes)
        told = (self._queue.likely_family, self._wake.set, board.costs.observe_load, board.failed_to_load)
        artifacts = open_store(settings)
        farm = functools.cache(functools.partial(farm_id, artifacts))
        self._members = Members(settings, self._store, max_replicas, *told, nodes, farm)
        self._autoscaler = Autoscaler(scale, board, nodes)
        self._commits = Commits(self._store, self._wake.set)
        self._follower = Follower(self._store, artifacts, board, self._members, self._commits, self._look_again)
        self._progress = Progress(self._store, self._members)
        self._unwanted = Unwanted(self._store, self._members, self._follower)
        doing = (board, self._queue, self._members, self._follower)
        self._dispatcher = Dispatcher(self._store, artifacts, *doing)
        self._foresight = Foresight(self._store, *doing, self._dispatcher)
        self._recovered = self._stopping = self._stopped = False
        self._started, self._farm = time.time(), str(settings.home)
        self._house = Housekeeping(settings, self._store, artifacts, board, tidies=job_id is None)
        self._outbox = Outbox(settings, self._store, idle=job_id is not None)
        self._aside: dict[str, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(CALLS, thread_name_prefix="call"))
        self._loop = loop.create_task(self._run())

    # Called from outside

    async def nudge(self) -> None:
        """Look at database and nodes now: a job was submitted, cancelled, paused or resumed, or a machine joins."""
        self._queue.look()
        self._members.look()
        self._wake.set()

    async def report(self, attempt_id: str, step: int, steps: int) -> bool:
        """Note a replica's progress; False tells it to abort."""
        wanted = self._progress.hear(attempt_id, step, steps)
        self._beside("progress", self._progress.flush_in_time)
        return wanted or not self._recovered

    async def status(self) -> dict[str, Any]:
        """Process id, whether recovery is done, and the replicas with node, device, state and process id."""
        replicas = [
            {"id": m.id, "node": m.slot.node, "device": m.slot.device, "state": m.state, "pid": m.pid}
            for m in self._members.all()
        ]
        about = {"pid": os.getpid(), "farm": self._farm, "recovered": self._recovered, "started": self._started}
        return {**about, "replicas": replicas}

    async def stop(self, seconds: float = 10.0) -> None:
        """Start nothing more, stop what runs between two steps, and record it as interrupted."""
        self._stopping = True
        for member in self._members.all():
            for attempt_id in member.attempts:
                self._follower.cancel(member, attempt_id)
        deadline = time.monotonic() + seconds
        while any(member.attempts for member in self._members.all()) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._stopped = True
        self._wake.set()
        await asyncio.gather(self._loop, *self._aside.values(), self._progress.flush(), return_exceptions=True)
        for attempt in await self._queue.running():
            await self._follower.endings.fail(None, attempt, Failure(FailureKind.INTERRUPTION, "the farm was stopped"))
        await self._members.note_all("stopped")
        await self._autoscaler.give_up()

    # The loop

    async def _run(self) -> None:
        while not self._stopped:
            try:
                if not self._recovered:
                    await self._recover()
                    self._recovered = True
                    gc.freeze()  # what was loaded stays; looking through it again and again would hold rounds up
                await self._tick()
            except Exception:  # the boundary of the process: a fault of database or Ray must not end the loop
                log.exception("coordinator: this round failed; trying again")
                await asyncio.sleep(1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)
            self._wake.clear()

    async def _tick(self) -> None:
        self._members.watch(self._board)
        try:
            foresee = (lambda _: ()) if self._stopping else self._foresight.begin
            self._queue.apply(await self._commits.take_over(self._queue.read, foresee))
            self._members.heed()
            self._follower.hand_back()
            if not self._stopping and await self._dispatcher.round():
                self._wake.set()
        finally:
            self._commits.tell()
        self._unwanted.changed |= self._queue.changed
        self._beside("foresight", self._foresight.prepare, self._foresight.due)
        self._beside("house", self._house.keep_house, self._house.due)
        self._beside("outbox", self._tell, self._outbox.due)
        self._beside("scale", self._autoscaler.adjust, self._autoscaler.due)
        self._beside("sweep", self._members.sweep, self._members.sweep_due)
        self._beside("unwanted", self._unwanted.stop, self._unwanted.due)
        self._beside("progress", self._progress.flush, self._progress.due)
        self._beside("note", self._members.note_all, self._members.note_due)

    def _beside(self, name: str, work: Callable[[], Coroutine[Any, Any, None]], due: bool = True) -> None:
        """Do what no decision waits for beside the loop, if it is due and not being done."""
        task = self._aside.get(name)
        if task is not None and task.done() and not task.cancelled() and task.exception():
            log.error("coordinator: %s failed; it is tried again", name, exc_info=task.exception())
        if due and (task is None or task.done()):
            self._aside[name] = asyncio.get_running_loop().create_task(work())

    async def _recover(self) -> None:
        await asyncio.to_thread(self._store.migrate)
        await recover(self._store, self._board, self._members, self._follower, await self._queue.running())
        await self._house.mend()

    async def _tell(self) -> None:
        await asyncio.to_thread(self._outbox.round, lambda: self._stopping)

    def _look_again(self, jobs: Collection[str] = ()) -> None:
        self._queue.again(jobs)
        self._wake.set()


def start_coordinator(
    settings: Settings, job_id: str | None = None, max_replicas: int | None = None, scale: Scale | None = None
) -> Any:
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
    ).remote(settings, job_id, max_replicas, scale)
