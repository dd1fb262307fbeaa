"""``farm bench dispatch``: what the farm itself costs. Real coordinator, replicas, Ray, rows and files; only the
renderer sleeps.

All times come from the attempts' rows: when a task became ready is when the last of what it needs was committed; when
it began and ended, its replica noted in the facts. One machine, so one clock.
"""

import heapq
import io
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray

from farm.errors import ClusterError
from farm.intake.queue import queue_job
from farm.intake.request import accept
from farm.jobs.graph import critical_path
from farm.jobs.names import VIDEO, output_of
from farm.jobs.records import Artifact, Attempt, AttemptSpec, AttemptState, Job, JobState, Task, TaskKind
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.work.executor import TaskExecutor
from farm.work.workspace import OnProgress, ShouldStop, Workspace
from model.families import describe
from model.footage.media import Media

from .benches import Spread, scratch_database
from .calls import COORDINATOR, HEAD, NAMESPACE
from .coordinator import Coordinator
from .devices import CPU_SLOT_BYTES
from .replica import Replica

ORDERS = ("bisect", "fanout:5", "inverted")
SHARE_BAR = 0.95
"""Least share of the best possible speed-up."""
LATENCY_BARS = (5.0, 50.0)
"""Milliseconds from ready to start while a replica is free: median and 99th percentile."""
GAP_BARS = (20.0, 100.0)
"""Milliseconds between two tasks of a replica, the second of which was ready before the first ended."""
ENDS_SECONDS = 0.05
"""What encoding and exporting take."""
START_SECONDS = 180.0
PATIENCE = 60.0
"""Seconds that a video may take beyond twice what it should."""
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Sleeps:
    """Seconds that a task takes, whatever it is about."""

    section: float = 1.0
    decode: float = 0.1
    encode: float = ENDS_SECONDS
    export: float = ENDS_SECONDS

    def of(self, kind: TaskKind) -> float:
        return float(getattr(self, kind.value))


@dataclass(frozen=True)
class SleepingSettings(Settings):
    """Those of a farm whose renderer sleeps: settings reach every replica. ``speeds``: of its replicas by their index,
    again from the first where there are more."""

    sleeps: Sleeps = Sleeps()
    speeds: tuple[float, ...] = (1.0,)


class SleepingExecutor(TaskExecutor):
    """Reads a task's inputs, sleeps in as many steps as it would compute, and writes a small file."""

    def __init__(self, artifacts: ArtifactStore, replica: str, settings: SleepingSettings, index: int = 0) -> None:
        super().__init__(artifacts, replica=replica, settings=settings)
        self._sleeps, self._speed = settings.sleeps, settings.speeds[index % len(settings.speeds)]
        self._kinds = dict.fromkeys(TaskKind, self._sleep)

    def run(
        self,
        spec: AttemptSpec,
        on_progress: OnProgress = lambda step, steps: None,
        should_stop: ShouldStop = lambda: False,
    ) -> list[Artifact]:
        began = time.time()
        made = super().run(spec, on_progress, should_stop)
        self._facts |= {"began": began, "ended": time.time()}
        return made

    def renderer(self, family: str) -> Any:
        """None is loaded; its checkpoint is looked at all the same."""
        describe(family)

    def _sleep(self, work: Workspace, step_done: OnProgress) -> list[Artifact]:
        spec, inputs, begun = work.spec, work.inputs, time.monotonic()
        for name in spec.inputs:
            inputs.read(name)
        seconds = self._sleeps.of(spec.kind) / self._speed
        steps = spec.request.steps if spec.kind is TaskKind.SECTION else 1
        for step in range(1, steps + 1):
            time.sleep(max(0.0, begun + seconds * step / steps - time.monotonic()))
            if spec.kind is TaskKind.SECTION:
                step_done(step, steps)
        name = VIDEO if spec.kind is TaskKind.EXPORT else output_of(spec.task_name)
        return [work.put(name, f"{name}.txt", b"asleep", "text/plain")]


class SleepingReplica(Replica):
    """A replica that renders nothing."""

    def _ready_executor(self) -> TaskExecutor:
        if self._executor is None:
            assert isinstance(self._settings, SleepingSettings)
            self._executor = SleepingExecutor(self._store(), self.id, self._settings, self._slot.index)
        return self._executor


class SleepingCoordinator(Coordinator):
    """The coordinator, with such replicas."""

    async def __init__(self, settings: SleepingSettings, replicas: int) -> None:  # type: ignore[misc]
        await super().__init__(settings, max_replicas=replicas)  # type: ignore[misc]
        self._members.actors.replica_class = SleepingReplica


@dataclass(frozen=True)
class Span:
    """One task's attempt, in seconds since 1970."""

    task: str
    replica: str
    ready: float
    began: float
    ended: float


@dataclass(frozen=True)
class DispatchFigures:
    """Of one video.

    ``wall``: seconds from submitting it to its end; ``ideal``: those of a list schedule of all its tasks that costs
    nothing; ``alone``: those of one such replica. ``bound``: the plan's upper bound of the speed-up, for sections only.
    ``latency`` and ``gap``: in milliseconds, see their bars.
    """

    order: str
    sections: int
    tasks: int
    wall: float
    ideal: float
    alone: float
    bound: float
    latency: Spread
    gap: Spread

    @property
    def speedup(self) -> float:
        """Over one such replica."""
        return self.alone / self.wall

    @property
    def share(self) -> float:
        """Of the speed-up that would be possible if the farm itself cost nothing."""
        return self.ideal / self.wall


@dataclass(frozen=True)
class DispatchReport:
    """``latency`` and ``gap``: those of all videos together."""

    database: str
    replicas: int
    sleeps: Sleeps
    videos: tuple[DispatchFigures, ...]
    latency: Spread
    gap: Spread


def bench_dispatch(
    home: Path,
    replicas: int,
    seconds: float,
    sleeps: Sleeps,
    server: str | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> DispatchReport:
    """Render a video in each order, on a Ray that this process has started with a CPU for each replica.

    Args:
        home: folder for the farm's files.
        replicas: how many work.
        seconds: length of each video.
        sleeps: what tasks take.
        server: PostgreSQL database in which a schema may be created and dropped; default: SQLite in ``home``.
        on_phase: told what is being done.

    Raises:
        ClusterError: the replicas don't start, or a video does not end.
        InputError, StorageError: as ``scratch_database``.
    """
    with scratch_database(home, server) as url:
        settings = SleepingSettings(home, url, (home / "artifacts").as_uri(), sleeps=sleeps)
        settings.ensure_home()
        store = JobStore(url)
        try:
            store.migrate()
            on_phase(f"starting {replicas} replicas")
            coordinator = start_farm(settings, replicas)
            found = []
            for order in ORDERS:
                on_phase(f"a video of {seconds:g} s in the order {order}")
                found.append(_render(settings, store, coordinator, replicas, order, seconds))
        finally:
            store.close()
    latencies, gaps = [each for _, some, _ in found for each in some], [each for *_, some in found for each in some]
    videos = tuple(figures for figures, *_ in found)
    return DispatchReport(
        "postgresql" if server else "sqlite", replicas, sleeps, videos, Spread.of(latencies), Spread.of(gaps)
    )


def start_farm(settings: SleepingSettings, replicas: int) -> Any:
    """The coordinator, once all replicas are idle."""
    actor: Any = ray.remote(SleepingCoordinator)
    options = {"name": COORDINATOR, "namespace": NAMESPACE, "max_concurrency": 1000, "num_cpus": 0}
    coordinator = actor.options(**options, resources={HEAD: 0.001}).remote(settings, replicas)
    deadline = time.monotonic() + START_SECONDS
    idle = 0
    while time.monotonic() < deadline:
        status = ray.get(coordinator.status.remote(), timeout=START_SECONDS)
        idle = sum(each["state"] == "idle" for each in status["replicas"])
        if idle == replicas:
            return coordinator
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        f"only {idle} of {replicas} replicas were there after {START_SECONDS:.0f} s; each is counted with "
        f"{CPU_SLOT_BYTES / 1e9:g} GB of memory. Try fewer."
    )


def _render(
    settings: SleepingSettings, store: JobStore, coordinator: Any, replicas: int, order: str, seconds: float
) -> tuple[DispatchFigures, list[float], list[float]]:
    """One video's figures, latencies and gaps."""
    media = Media(grey_picture())
    fields = {"prompt": f"a video in the order {order}", "order": order, "total_second_length": seconds, "seed": 1}
    accepted = accept(fields, media)
    job = queue_job(store, open_store(settings), accepted, media, uuid4().hex)
    coordinator.nudge.remote()
    tasks = store.tasks(job.id)
    took = {task.name: settings.sleeps.of(task.kind) for task in tasks}
    ideal, alone = list_schedule(tasks, took, replicas), sum(took.values())
    job = ended(store, job, time.monotonic() + 2 * ideal + PATIENCE)
    assert job.finished_at is not None
    spans = spans_of(job, tasks, store.attempts(job.id))
    latencies, gaps = latencies_of(spans, replicas), gaps_of(spans)
    figures = DispatchFigures(
        order,
        len(accepted.plan.sections),
        len(tasks),
        (job.finished_at - job.created_at).total_seconds(),
        ideal,
        alone,
        accepted.plan.speedup(replicas),
        Spread.of(latencies),
        Spread.of(gaps),
    )
    return figures, latencies, gaps


def ended(store: JobStore, job: Job, deadline: float) -> Job:
    while job.state in (JobState.PENDING, JobState.RUNNING) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        job = store.get_job(job.id)
    if job.state is not JobState.COMPLETED:
        raise ClusterError(f"the video did not end as it should: it is {job.state}. {job.error}".rstrip())
    return job


def grey_picture() -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(data, "PNG")
    return data.getvalue()


def list_schedule(tasks: Collection[Task], seconds: Mapping[str, float], replicas: int) -> float:
    """When all tasks are done if a free replica always takes, at once, the ready task with the longest chain."""
    chain = critical_path(list(tasks), seconds)
    missing = {task.name: len(task.dependencies) for task in tasks}
    dependants: dict[str, list[str]] = {task.name: [] for task in tasks}
    for task in tasks:
        for name in task.dependencies:
            dependants[name].append(task.name)
    ready = [(-chain[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < replicas:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], name))
        now, ended = heapq.heappop(running)
        for name in dependants[ended]:
            missing[name] -= 1
            if not missing[name]:
                heapq.heappush(ready, (-chain[name], name))
    return now


def spans_of(job: Job, tasks: Collection[Task], attempts: Collection[Attempt]) -> list[Span]:
    """The committed attempts, in the order in which they began."""
    names = {task.id: task.name for task in tasks}
    committed = {names[each.task_id]: each for each in attempts if each.state is AttemptState.COMMITTED}
    spans = []
    for task in tasks:
        attempt = committed[task.name]
        ready = max([job.created_at, *(_finished(committed[name]) for name in task.dependencies)])
        facts = attempt.facts
        spans.append(Span(task.name, attempt.replica, ready.timestamp(), facts["began"], facts["ended"]))
    return sorted(spans, key=lambda span: span.began)


def _finished(attempt: Attempt) -> datetime:
    assert attempt.finished_at is not None
    return attempt.finished_at


def latencies_of(spans: Sequence[Span], replicas: int) -> list[float]:
    """Milliseconds from ready to start of those tasks for which a replica was free all the while: more of them when
    they became ready than began something before them."""
    found = []
    for span in spans:
        busy = sum(other.began <= span.ready < other.ended for other in spans)
        taken = sum(span.ready < other.began < span.began for other in spans)
        if taken < replicas - busy:
            found.append(1000 * (span.began - span.ready))
    return found


def gaps_of(spans: Sequence[Span]) -> list[float]:
    """Milliseconds between two tasks of a replica, where the second was ready before the first ended."""
    lanes: dict[str, list[Span]] = {}
    for span in spans:
        lanes.setdefault(span.replica, []).append(span)
    return [
        1000 * (after.began - before.ended)
        for lane in lanes.values()
        for before, after in pairwise(lane)
        if after.ready <= before.ended
    ]
