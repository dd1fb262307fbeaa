"""``farm bench replicas``: what a round of the coordinator takes, and what it writes, with few replicas and with many.

The coordinator with all its rooms, real rows and files, no Ray: replicas are objects in this process that wait where
real ones compute. Both farms are given as much to do a second, so that what they take differs by their replicas alone.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from farm.errors import ClusterError
from farm.settings import Settings

from .bench_queue import fill
from .bench_rows import Written, counted
from .bench_waiting import TimedCoordinator
from .benches import Spread, scratch_database, scratch_folder

FEW = 10
"""Replicas of the reference."""
ROUND_BAR = 500.0
"""Milliseconds that the longest round should take at most."""
ROWS_BAR = 1.1
"""Many replicas should have no more than so many times the rows written for a finished attempt that few have."""
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
    """``rounds``: their milliseconds; ``rows``: written a second, by statement in ``written``; ``ends``: attempts that
    ended a second; ``busy``: the share of one core that this process used, replicas included."""

    rounds: Spread
    rows: float
    written: dict[str, float]
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
    """``ratio``: of the rows that were written at work for each attempt that ended, many replicas over few."""

    database: str
    few: ReplicasFigures
    many: ReplicasFigures
    bars: tuple[float, float] = (ROUND_BAR, ROWS_BAR)

    @property
    def ratio(self) -> float:
        few, many = self.few.work, self.many.work
        return (many.rows / many.ends) / (few.rows / few.ends) if few.rows and few.ends and many.ends else 0.0


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


class _Subject:
    def __init__(
        self, settings: Settings, count: int, changes: float, seconds: float, on_phase: Callable[[str], None]
    ) -> None:
        self._settings, self._count, self._changes, self._task = settings, count, changes, count / changes
        self._seconds, self._on_phase = seconds, on_phase

    async def measure(self) -> ReplicasFigures:
        """All windows, one after the other."""
        with counted() as written:
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

    async def _calm(self, written: Written, most: float) -> None:
        """Until no more than so many rows are written a second; one more tells that all are there."""
        deadline, before = time.monotonic() + START_SECONDS, -1
        while before < 0 or (written.total() - before > most * CALM_SECONDS + 1 and time.monotonic() < deadline):
            before = written.total()
            await asyncio.sleep(CALM_SECONDS)

    async def _window(self, farm: TimedCoordinator, written: Written, seconds: float | None) -> Window:
        """So long; without a time, until all are at work."""
        farm.rounds.clear()
        farm.ends = 0
        before, began, used = written.copy(), time.monotonic(), time.process_time()
        await (self._until(farm, "busy") if seconds is None else asyncio.sleep(seconds))
        took = time.monotonic() - began
        cpu = time.process_time() - used
        rows = {name: round(count / took, 2) for name, count in (written - before).most_common()}
        return Window(Spread.of(farm.rounds), sum(rows.values()), rows, farm.ends / took, cpu / took)
