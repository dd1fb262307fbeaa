"""``farm bench replicas``: what a round of the coordinator takes, and what it writes, with few replicas and with many.

The coordinator with all its rooms, real rows and files, no Ray: replicas are objects in this process that wait where
real ones compute. Both farms are given as much to do a second, so that what they take differs by their replicas alone.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, event

from farm.errors import ClusterError
from farm.jobs.assets import NO_REPORT, NodeReport
from farm.jobs.names import output_of
from farm.jobs.records import AttemptSpec
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store

from .actors import Actors
from .bench_queue import fill
from .benches import Spread, scratch_database, scratch_folder
from .coordinator import Coordinator
from .devices import CPU_SLOT_BYTES, DeviceFacts, Slot
from .replica import Holding, Outcome

FEW = 10
"""Replicas of the reference."""
STEPS = 25
"""Each attempt reports so many."""
ROUND_BAR = 500.0
"""Milliseconds that the longest round should take at most."""
ROWS_BAR = 1.5
"""With as much to do, many replicas should have no more than so many times the rows written that few have."""
SPARE_JOBS = 1.2
"""Queued jobs for each replica, and some more."""
START_SECONDS = 180.0
CALM_SECONDS = 2.0
"""When so long no more rows were written than should be, what followed the start is."""
ROWS_OF_A_CHANGE = 60
"""An attempt's start, steps and end at most."""
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Window:
    """``rounds``: their milliseconds; ``rows``: written a second; ``ends``: attempts that ended a second; ``busy``: the
    share of one core that this process used, replicas included."""

    rounds: Spread
    rows: float
    ends: float
    busy: float


@dataclass(frozen=True)
class ReplicasFigures:
    """``idle``: with nothing to do; ``start``: while all replicas were given their first task; ``work``: after that."""

    replicas: int
    idle: Window
    start: Window
    work: Window


@dataclass(frozen=True)
class ReplicasReport:
    """``ratio``: of the rows that were written a second at work, many replicas over few."""

    database: str
    few: ReplicasFigures
    many: ReplicasFigures
    bars: tuple[float, float] = (ROUND_BAR, ROWS_BAR)

    @property
    def ratio(self) -> float:
        return self.many.work.rows / self.few.work.rows if self.few.work.rows else 0.0


def bench_replicas(
    replicas: int,
    changes: float,
    seconds: float,
    server: str | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> ReplicasReport:
    """Measure a farm of few replicas, then one of many.

    Args:
        replicas: of the large farm.
        changes: attempts that end a second, in both.
        seconds: that each window lasts.
        server: a PostgreSQL database in which schemas may be created and dropped; default: temporary SQLite files.
        on_phase: told what is being done.

    Raises:
        ClusterError: the replicas did not come to work.
        InputError, StorageError: as ``scratch_database``.
    """
    found: list[ReplicasFigures] = []
    for count in (FEW, replicas):
        with scratch_folder() as folder, scratch_database(folder, server) as url:
            settings = replace(Settings.for_home(folder), database_url=url)
            settings.ensure_home()
            found.append(asyncio.run(_Subject(settings, count, changes, seconds, on_phase).measure()))
    few, many = found
    return ReplicasReport("postgresql" if server else "sqlite", few, many)


class WaitingReplica:
    """A replica that waits for ``seconds`` where a real one computes, and leaves a small file.

    It answers as ``farm.cluster.replica.Replica`` does, as far as a coordinator asks.
    """

    def __init__(self, slot: Slot, seconds: float, artifacts: ArtifactStore, report: Callable[..., Awaitable[bool]]):
        self._slot, self._seconds, self._artifacts, self._report = slot, seconds, artifacts, report
        self._first = random.Random(slot.node).random()
        self._queue: asyncio.Queue[AttemptSpec] = asyncio.Queue()
        self._outcomes: dict[str, asyncio.Future[Outcome]] = {}
        self._work: asyncio.Task[None] | None = None

    async def describe(self) -> tuple[Slot, int]:
        return self._slot, 1

    async def device(self) -> DeviceFacts:
        return DeviceFacts("waits")

    async def unfit(self, farm: str) -> str:
        return ""

    async def look_around(self) -> NodeReport:
        return NO_REPORT

    async def warm(self, family: str) -> None:
        return None

    async def holds(self) -> Holding:
        return Holding(None, ())

    async def start(self, spec: AttemptSpec) -> None:
        self._outcomes[spec.attempt_id] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(spec)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._go_on())

    async def wait(self, attempt_id: str, seconds: float) -> Outcome | None:
        done, _ = await asyncio.wait([self._outcomes[attempt_id]], timeout=seconds)
        return next((each.result() for each in done), None)

    async def acknowledge(self, attempt_id: str) -> None:
        self._outcomes.pop(attempt_id, None)

    async def withdraw(self, attempt_id: str) -> bool:
        return False

    async def cancel(self, attempt_id: str) -> None:
        """It goes on; nothing is cancelled here."""

    async def _go_on(self) -> None:
        while not self._queue.empty():
            spec = self._queue.get_nowait()
            share, self._first = self._first, 1.0
            await self._report(spec.attempt_id, 0, 0)
            for step in range(1, STEPS + 1):
                await asyncio.sleep(self._seconds * share / STEPS)
                await self._report(spec.attempt_id, step, STEPS)
            key, name = f"{spec.output_prefix}/{output_of(spec.task_name)}.txt", output_of(spec.task_name)
            made = await asyncio.to_thread(self._artifacts.write, key, b"waited", name=name)
            outcome = Outcome(spec, (made,), facts={"seconds": self._seconds})
            self._outcomes[spec.attempt_id].set_result(outcome)


class _Handle:
    """Calls an object of this process as an actor is called."""

    def __init__(self, actor: object) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)
        return SimpleNamespace(remote=lambda *values: asyncio.ensure_future(method(*values)))


class WaitingActors(Actors):
    """A cluster of so many machines, each with one replica that waits."""

    def __init__(self, count: int, seconds: float, artifacts: ArtifactStore, report: Callable[..., Awaitable[bool]]):
        self._count, self._given = count, (seconds, artifacts, report)

    def nodes(self) -> list[Mapping[str, Any]]:
        resources = {"CPU": 1.0, "memory": 2.0 * CPU_SLOT_BYTES}
        return [
            {"NodeID": f"{index:056x}", "Alive": True, "NodeManagerHostname": f"node-{index}", "Resources": resources}
            for index in range(self._count)
        ]

    def replicas(self) -> list[str]:
        return []

    def create(self, name: str, settings: Settings, slot: Slot) -> Any:
        return _Handle(WaitingReplica(slot, *self._given))

    def end(self, handle: Any) -> None:
        """It has no process."""


class TimedCoordinator(Coordinator):
    """The coordinator. ``rounds``: milliseconds of each; ``ends``: attempts that ended."""

    async def __init__(self, settings: Settings, replicas: int, seconds: float) -> None:  # type: ignore[misc]
        await super().__init__(settings)  # type: ignore[misc]
        self.rounds: list[float] = []
        self.ends = 0
        self._members.actors = WaitingActors(replicas, seconds, open_store(settings), self.report)

    async def _tick(self) -> None:
        begun = time.perf_counter()
        await super()._tick()
        self.rounds.append(1000 * (time.perf_counter() - begun))

    async def report(self, attempt_id: str, step: int, steps: int) -> bool:
        self.ends += step == STEPS
        return await super().report(attempt_id, step, steps)

    def hold(self, held: bool) -> None:
        """Start nothing, or go on."""
        self._stopping = held

    def count(self, state: str) -> int:
        """Replicas in that state."""
        return sum(member.state == state for member in self._members.all())


@dataclass
class _Written:
    """Rows so far."""

    rows: int = 0


class _Subject:
    def __init__(
        self, settings: Settings, count: int, changes: float, seconds: float, on_phase: Callable[[str], None]
    ) -> None:
        self._settings, self._count, self._changes, self._task = settings, count, changes, count / changes
        self._seconds, self._on_phase = seconds, on_phase

    async def measure(self) -> ReplicasFigures:
        """All windows, one after the other."""
        with _counted() as written:
            self._on_phase(f"starting {self._count} replicas")
            farm = TimedCoordinator.__new__(TimedCoordinator)
            await farm.__init__(self._settings, self._count, self._task)  # type: ignore[misc]
            await self._until(farm, "idle")
            await self._calm(written, 0)
            self._on_phase(f"{self._seconds:g} s with nothing to do")
            idle = await self._window(farm, written, self._seconds)
            jobs = int(SPARE_JOBS * self._count) + FEW
            self._on_phase(f"{jobs} jobs")
            farm.hold(True)  # the jobs are copies of one that has not begun
            await asyncio.to_thread(fill, self._settings.database_url, jobs)
            farm.hold(False)
            await farm.nudge()
            start = await self._window(farm, written, None)
            await self._calm(written, self._changes * ROWS_OF_A_CHANGE)
            self._on_phase(f"{self._seconds:g} s at work")
            work = await self._window(farm, written, self._seconds)
            farm._loop.cancel()
            return ReplicasFigures(self._count, idle, start, work)

    async def _until(self, farm: TimedCoordinator, state: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (found := farm.count(state)) < self._count:
            if time.monotonic() > deadline:
                raise ClusterError(f"only {found} of {self._count} replicas are {state} after {START_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)

    async def _calm(self, written: _Written, most: float) -> None:
        """Until no more than so many rows are written a second; one more tells that all are there."""
        deadline, before = time.monotonic() + START_SECONDS, -1
        while before < 0 or (written.rows - before > most * CALM_SECONDS + 1 and time.monotonic() < deadline):
            before = written.rows
            await asyncio.sleep(CALM_SECONDS)

    async def _window(self, farm: TimedCoordinator, written: _Written, seconds: float | None) -> Window:
        """So long; without a time, until all are at work."""
        farm.rounds.clear()
        farm.ends = 0
        rows, began, used = written.rows, time.monotonic(), time.process_time()
        await (self._until(farm, "busy") if seconds is None else asyncio.sleep(seconds))
        took = time.monotonic() - began
        cpu = time.process_time() - used
        return Window(Spread.of(farm.rounds), (written.rows - rows) / took, farm.ends / took, cpu / took)


@contextmanager
def _counted() -> Iterator[_Written]:
    """Count the rows that this process inserts, changes and removes."""
    written = _Written()

    def add(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if context is not None and (context.isinsert or context.isupdate or context.isdelete):
            written.rows += max(0, cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", add)
    try:
        yield written
    finally:
        event.remove(Engine, "after_cursor_execute", add)
