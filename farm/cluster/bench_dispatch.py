"""``farm bench dispatch``: what the farm itself costs. Real coordinator, replicas, Ray, rows and files; only the
renderer sleeps.

All times come from the attempts' rows; see ``spans``.
"""

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from farm.errors import ClusterError
from farm.intake.queue import queue_job
from farm.intake.request import Accepted, accept
from farm.jobs.records import Job, JobState
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from model.footage.media import Media

from .benches import Spread, scratch_database
from .sleeping import SleepingSettings, Sleeps, start_farm
from .spans import Pace, gaps_of, latencies_of, list_schedule, spans_of

ORDERS = ("bisect", "fanout:5", "inverted")
SHARE_BAR = 0.95
"""Least share of the best possible speed-up."""
LATENCY_BARS = (5.0, 50.0)
"""Milliseconds from ready to start while a replica is free: median and 99th percentile."""
GAP_BARS = (20.0, 100.0)
"""Milliseconds between two tasks of a replica, the second of which was ready before the first ended."""
WARM_SECONDS = 3.0
"""Length of a video before those that count, with which every process imports what it needs."""
PATIENCE = 60.0
"""Seconds that a video may take beyond twice what it should."""
POLL_SECONDS = 0.1
EMPTY_CALLS = 40


@dataclass(frozen=True)
class DispatchFigures(Pace):
    """Of one video in the order ``order``. ``latency`` and ``gap``: in milliseconds, see their bars."""

    order: str
    latency: Spread
    gap: Spread


@dataclass(frozen=True)
class DispatchReport:
    """``latency`` and ``gap``: those of all videos together. ``call``: milliseconds until an idle actor has a call of
    Ray's that does nothing: of a task's way to its replica, what is not the farm's."""

    database: str
    replicas: int
    sleeps: Sleeps
    videos: tuple[DispatchFigures, ...]
    latency: Spread
    gap: Spread
    call: Spread


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
        settings = replace(SleepingSettings.for_home(home), database_url=url, sleeps=sleeps)
        settings.ensure_home()
        store = JobStore(url)
        try:
            store.migrate()
            on_phase(f"starting {replicas} replicas")
            coordinator = start_farm(settings, replicas)
            _render(settings, store, coordinator, replicas, ORDERS[0], WARM_SECONDS)
            found = []
            for order in ORDERS:
                on_phase(f"a video of {seconds:g} s in the order {order}")
                found.append(_render(settings, store, coordinator, replicas, order, seconds))
            call = Spread.of(empty_calls())
        finally:
            store.close()
    latencies, gaps = [each for _, some, _ in found for each in some], [each for *_, some in found for each in some]
    videos = tuple(figures for figures, *_ in found)
    return DispatchReport(
        "postgresql" if server else "sqlite", replicas, sleeps, videos, Spread.of(latencies), Spread.of(gaps), call
    )


def empty_calls(count: int = EMPTY_CALLS) -> list[float]:
    """Milliseconds that calls take to an actor that does nothing, on the Ray at hand."""
    import ray

    class Idle:
        async def call(self) -> float:
            return time.time()

    actor = ray.remote(Idle).options(num_cpus=0).remote()
    ray.get(actor.call.remote())
    found = []
    for _ in range(count):
        time.sleep(POLL_SECONDS)  # as a replica that waits for work
        began = time.time()
        found.append(1000 * (ray.get(actor.call.remote()) - began))
    ray.kill(actor)
    return found


def _render(
    settings: SleepingSettings, store: JobStore, coordinator: Any, replicas: int, order: str, seconds: float
) -> tuple[DispatchFigures, list[float], list[float]]:
    """One video's figures, latencies and gaps."""
    fields = {"prompt": f"{seconds:g} s in the order {order}", "order": order, "total_second_length": seconds}
    job, accepted = submit(settings, store, coordinator, fields | {"seed": 1})
    tasks = store.tasks(job.id)
    took = {task.name: settings.sleeps.of(task.kind) for task in tasks}
    ideal, alone = list_schedule(tasks, took, replicas), sum(took.values())
    job = ended(store, job, time.monotonic() + 2 * ideal + PATIENCE)
    assert job.finished_at is not None
    spans = spans_of(job, tasks, store.attempts(job.id))
    latencies, gaps = latencies_of(spans, replicas), gaps_of(spans)
    wall = (job.finished_at - job.created_at).total_seconds()
    sections, bound = len(accepted.plan.sections), accepted.plan.speedup(replicas)
    spreads = (Spread.of(latencies), Spread.of(gaps))
    figures = DispatchFigures(sections, len(tasks), wall, ideal, alone, bound, order, *spreads)
    return figures, latencies, gaps


def submit(settings: Settings, store: JobStore, coordinator: Any, fields: Mapping[str, object]) -> tuple[Job, Accepted]:
    """Queue a video that starts from a grey picture, and wake the coordinator.

    Raises:
        InputError: ``fields`` are no request for one.
    """
    media = Media(grey_picture())
    accepted = accept(fields, media, settings=settings)
    job = queue_job(store, open_store(settings), accepted, media, uuid4().hex)
    coordinator.nudge.remote()
    return job, accepted


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
