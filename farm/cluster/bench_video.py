"""``farm bench video``: a real video on several replicas, beside the same on one.

Real coordinator, replicas, Ray, rows, files and model. What a speed-up falls short of the plan's bound has two causes,
and they are told apart: what the farm wastes, seen against a schedule of the very same tasks that costs nothing; and
how much longer tasks take because the replicas share a machine.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farm.intake.request import accept
from farm.jobs.records import Job, Task, TaskKind
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.work.executor import TaskExecutor
from model.footage.media import Media

from .bench_dispatch import ended, grey_picture, submit
from .replica import THREADS, Replica
from .sleeping import BenchCoordinator, TimedExecutor, start_farm
from .spans import Pace, Span, list_schedule, spans_of

SHARE_BAR = 0.95
"""Least share of the best possible time."""
WARM_SECONDS = 5.0
"""A video before those that count: every replica loads the model, imports what it needs and has run both kinds."""
PATIENCE = 3600.0
"""Seconds that a video may take."""

OpenRay = Callable[[Settings, int], AbstractContextManager[Any]]
"""A Ray for a farm, with that many CPUs."""


class TimedReplica(Replica):
    """A replica that notes when its tasks began and ended."""

    def _ready_executor(self) -> TaskExecutor:
        if self._executor is None:
            self._executor = TimedExecutor(self._store(), self._slot.device, THREADS, self.id, self._settings)
        return self._executor


class VideoCoordinator(BenchCoordinator):
    """The coordinator, with such replicas."""

    replica_class = TimedReplica


@dataclass(frozen=True)
class VideoFigures(Pace):
    """Of one length in ``seconds``; the ideal schedule is of tasks as long as they took. ``slower``: a section's median
    time on all replicas over that on one; ``trail``: seconds from the last section's end to the video's."""

    seconds: float
    slower: float
    trail: float


@dataclass(frozen=True)
class VideoReport:
    """Of all lengths."""

    family: str
    order: str
    replicas: int
    videos: tuple[VideoFigures, ...]
    bar: float = SHARE_BAR


@dataclass(frozen=True)
class _Run:
    """A video that is finished: seconds it took, its plan's sections and bound, its tasks and when they ran."""

    wall: float
    sections: int
    bound: float
    tasks: list[Task]
    spans: list[Span]
    ended: float

    def took(self, kind: TaskKind) -> list[float]:
        names = {task.name for task in self.tasks if task.kind is kind}
        return sorted(span.ended - span.began for span in self.spans if span.task in names)


def bench_video(
    home: Path,
    open_ray: OpenRay,
    replicas: int,
    lengths: tuple[float, ...],
    family: str,
    order: str,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> VideoReport:
    """Render a video of each length on one replica, then on all.

    Args:
        home: folder for the farms' files.
        open_ray: gives each farm its Ray.
        replicas: how many work, each with one thread.
        lengths: of the videos, in seconds.
        family: model; one that is on this machine.
        order: of the sections.
        on_phase: told what is being done.

    Raises:
        ClusterError: the replicas don't start, or a video does not end.
        InputError: there is no such model or order, or it can't be rendered so.
    """
    model, common = Settings.from_environment().model, {"prompt": "The puppet dances.", "model_type": family}
    requests = [
        {**common, "order": order, "total_second_length": seconds, "seed": number}
        for number, seconds in enumerate((WARM_SECONDS, *lengths))
    ]
    for request in requests:  # before Ray is started for them
        accept(request, Media(grey_picture()), settings=replace(Settings.for_home(home), model=model))
    runs = {}
    for count in (1, replicas):
        settings = replace(Settings.for_home(home / str(count)), model=model)
        settings.ensure_home()
        with open_ray(settings, count):
            runs[count] = _rendered(settings, count, requests, on_phase)
    videos = tuple(
        _figures(seconds, alone, together, replicas)
        for seconds, alone, together in zip(lengths, runs[1], runs[replicas], strict=True)
    )
    return VideoReport(family, order, replicas, videos)


def _rendered(
    settings: Settings, replicas: int, requests: Sequence[Mapping[str, Any]], on_phase: Callable[[str], None]
) -> list[_Run]:
    """The videos of all ``requests`` but the first, which warms up."""
    store = JobStore(settings.database_url)
    try:
        store.migrate()
        on_phase(f"starting {replicas} replica{'s' if replicas > 1 else ''}")
        coordinator = start_farm(settings, replicas, VideoCoordinator)
        runs: list[_Run] = []
        for request in requests:
            why = "" if runs else ", with which every replica loads the model"
            on_phase(f"a video of {request['total_second_length']:g} s{why}")
            runs.append(_render(settings, store, coordinator, replicas, request))
        return runs[1:]
    finally:
        store.close()


def _render(settings: Settings, store: JobStore, coordinator: Any, replicas: int, fields: Mapping[str, Any]) -> _Run:
    job, accepted = submit(settings, store, coordinator, fields)
    job = ended(store, job, time.monotonic() + PATIENCE)
    tasks = store.tasks(job.id)
    spans = spans_of(job, tasks, store.attempts(job.id))
    sections, bound = len(accepted.plan.sections), accepted.plan.speedup(replicas)
    return _Run(_took(job), sections, bound, tasks, spans, _end(job))


def _took(job: Job) -> float:
    return _end(job) - job.created_at.timestamp()


def _end(job: Job) -> float:
    assert job.finished_at is not None
    return job.finished_at.timestamp()


def _figures(seconds: float, alone: _Run, together: _Run, replicas: int) -> VideoFigures:
    took = {span.task: span.ended - span.began for span in together.spans}
    names = {task.name for task in together.tasks if task.kind is TaskKind.SECTION}
    last = max(span.ended for span in together.spans if span.task in names)
    one, all_of_them = alone.took(TaskKind.SECTION), together.took(TaskKind.SECTION)
    return VideoFigures(
        together.sections,
        len(together.tasks),
        together.wall,
        list_schedule(together.tasks, took, replicas),
        alone.wall,
        together.bound,
        seconds,
        all_of_them[len(all_of_them) // 2] / one[len(one) // 2],
        together.ended - last,
    )
