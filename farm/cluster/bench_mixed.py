"""``farm bench mixed``: replicas of unlike speeds, beside the simulator's earliest finish for the same tasks.

Real coordinator, replicas, Ray, rows and files, as in ``bench_dispatch``; only the renderer sleeps, on each replica for
as long as its speed makes of it. A video is rendered before, from which the farm learns how fast each is.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from farm.jobs.records import AttemptState, Job, Task
from farm.scheduling.costs import SizeCosts
from farm.scheduling.records import SeatView
from farm.simulation.farm import Farm, Options
from farm.simulation.policies import find_policy
from farm.simulation.report import lower_bound
from farm.simulation.workload import JobSpec, TaskSpec, Workload
from farm.store.jobs import JobStore

from .bench_dispatch import PATIENCE, ended, submit
from .benches import scratch_database
from .sleeping import SleepingSettings, Sleeps, start_farm

RATIO_BAR = 1.1
"""The farm should take no more than so many times what the simulated one does."""
REFERENCE = "earliest-finish"
WARM_SECONDS = 12.0
"""Length of the video before."""


@dataclass(frozen=True)
class MixedReport:
    """``wall``: seconds from submitting all videos to the end of the last; ``simulated``: those of a farm that costs
    nothing and knows all times, with the policy ``earliest-finish``; ``bound``: no schedule is shorter; ``sections``:
    that each replica rendered, in the order of ``speeds``."""

    database: str
    speeds: tuple[float, ...]
    jobs: int
    tasks: int
    wall: float
    simulated: float
    bound: float
    sections: tuple[int, ...]
    bar: float = RATIO_BAR

    @property
    def ratio(self) -> float:
        return self.wall / self.simulated


def bench_mixed(
    home: Path,
    speeds: Sequence[float],
    jobs: int,
    seconds: float,
    sleeps: Sleeps,
    order: str = "",
    server: str | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> MixedReport:
    """Render some videos at once, on a Ray that this process has started with a CPU for each replica.

    Args:
        home: folder for the farm's files.
        speeds: of the replicas, 1 for one that takes what ``sleeps`` says.
        jobs: how many videos.
        seconds: length of each.
        sleeps: what tasks take.
        order: of the videos' sections; "" is the model's own.
        server: PostgreSQL database in which a schema may be created and dropped; default: SQLite in ``home``.
        on_phase: told what is being done.

    Raises:
        ClusterError: the replicas don't start, or a video does not end.
        InputError, StorageError: as ``scratch_database``.
    """
    with scratch_database(home, server) as url:
        own = SleepingSettings.for_home(home)
        settings = replace(own, database_url=url, sleeps=sleeps, speeds=tuple(speeds))
        settings.ensure_home()
        store = JobStore(url)
        try:
            store.migrate()
            on_phase(f"starting {len(speeds)} replicas")
            coordinator = start_farm(settings, len(speeds))
            on_phase("a video from which the farm learns")
            queued = partial(_submit, settings, store, coordinator)
            first = queued(0, WARM_SECONDS, "")
            _until_ended(store, [first], sum(map(sleeps.of, (task.kind for task in store.tasks(first.id)))))
            on_phase(f"{jobs} videos of {seconds:g} s")
            made = [queued(number, seconds, order) for number in range(1, jobs + 1)]
            tasks = {job.id: store.tasks(job.id) for job in made}
            simulated, bound = _simulate(tasks, speeds, sleeps)
            done = _until_ended(store, made, simulated)
            wall = max(job.finished_at.timestamp() for job in done if job.finished_at) - made[0].created_at.timestamp()
            sections = _sections(store, done, len(speeds))
        finally:
            store.close()
    count = sum(map(len, tasks.values()))
    name = "postgresql" if server else "sqlite"
    return MixedReport(name, tuple(speeds), jobs, count, wall, simulated, bound, sections)


def _submit(
    settings: SleepingSettings, store: JobStore, coordinator: Any, number: int, seconds: float, order: str
) -> Job:
    fields = {"prompt": f"video {number}", "total_second_length": seconds, "seed": number}
    job, _ = submit(settings, store, coordinator, fields | ({"order": order} if order else {}))
    return job


def _until_ended(store: JobStore, jobs: Collection[Job], expected: float) -> list[Job]:
    deadline = time.monotonic() + 4 * expected + PATIENCE
    return [ended(store, job, deadline) for job in jobs]


def _simulate(tasks: Mapping[str, Sequence[Task]], speeds: Sequence[float], sleeps: Sleeps) -> tuple[float, float]:
    """Makespan and bound of the same tasks on seats of these speeds."""
    jobs = []
    for job, some in tasks.items():
        specs = (TaskSpec(task.name, task.kind, sleeps.of(task.kind), task.dependencies) for task in some)
        jobs.append(JobSpec(job, "", "puppet", 0.0, tuple(specs)))
    workload = Workload("bench", tuple(jobs), {})
    models = frozenset({"puppet"})
    seats = [SeatView(f"node/{index}", "node", "CPU", speed, models=models) for index, speed in enumerate(speeds)]
    farm = Farm(workload, seats, find_policy(REFERENCE), Options(), SizeCosts(load=0.0, move=0.0))
    while not farm.over and farm.step():
        pass
    return max(farm.history.finished.values()), lower_bound(workload, seats)


def _sections(store: JobStore, jobs: Collection[Job], replicas: int) -> tuple[int, ...]:
    """How many each replica rendered."""
    seats = {replica.id: int(replica.seat.rpartition("-")[2]) for replica in store.replicas()}
    counts = Counter(
        seats.get(attempt.replica, -1)
        for job in jobs
        for attempt in store.attempts(job.id)
        if attempt.state is AttemptState.COMMITTED and ".section-" in attempt.task_id
    )
    return tuple(counts[index] for index in range(replicas))
