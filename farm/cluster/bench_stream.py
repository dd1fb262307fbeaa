"""``farm bench stream``: whether the farm keeps up with a model that makes sections in half a second.

Real coordinator, replicas, Ray, rows and files of full size; only the model sleeps. One video, each section of which
needs the one before, so that no more than one device can render at a time: how much of the time does one, where is the
video decoded meanwhile, and how far behind is what can be watched?
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from farm.jobs.records import Job, TaskKind
from farm.store.jobs import JobStore

from .bench_dispatch import PATIENCE, ended, submit
from .benches import Spread, scratch_database
from .sleeping import Sleeps, start_farm
from .spans import Span, spans_of
from .streaming import StreamingCoordinator, StreamingSettings

SHARE_BAR = 0.9
"""Least share of the time in which a section is rendered."""
ORDER = "vanilla"
WARM, WARM_SECONDS = 2, 6.0
"""Videos before, and the length of each: in the first one, both kinds of task may run on one replica alone."""
STEPS = 6
"""Of a section, as Helios' distilled form has."""


@dataclass(frozen=True)
class StreamReport:
    """Of one video.

    ``share``: of the time from the first section's start to the last one's end, how much the model rendered; ``idle``:
    seconds of it in which it did not.
    ``pauses``: milliseconds between the rendering of two sections; ``writing``: those of them that a section's own
    replica spends on files. ``lag``: milliseconds from a section's latents to its clip, both committed. ``places``: by
    replica, sections and decodings. ``beside``: share of the decodings that kept no section waiting.
    """

    database: str
    replicas: int
    sleeps: Sleeps
    size: tuple[int, int]
    sections: int
    share: float
    idle: float
    pauses: Spread
    writing: Spread
    lag: Spread
    last_lag: float
    places: Mapping[str, tuple[int, int]]
    beside: float
    bar: float = SHARE_BAR


def bench_stream(
    home: Path,
    replicas: int,
    seconds: float,
    sleeps: Sleeps,
    size: tuple[int, int],
    server: str | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> StreamReport:
    """Render one video, on a Ray that this process has started with a CPU for each replica.

    Args:
        home: folder for the farm's files.
        replicas: how many work.
        seconds: length of the video.
        sleeps: what tasks take.
        size: height and width of its frames, in pixels.
        server: PostgreSQL database in which a schema may be created and dropped; default: SQLite in ``home``.
        on_phase: told what is being done.

    Raises:
        ClusterError: the replicas don't start, or the video does not end.
        InputError, StorageError: as ``scratch_database``.
    """
    with scratch_database(home, server) as url:
        settings = replace(StreamingSettings.for_home(home), database_url=url, sleeps=sleeps, size=size)
        settings.ensure_home()
        store = JobStore(url)
        try:
            store.migrate()
            on_phase(f"starting {replicas} replicas")
            coordinator = start_farm(settings, replicas, StreamingCoordinator)
            on_phase("a short video, with which every replica imports what it needs")
            for number in range(WARM):
                _render(settings, store, coordinator, WARM_SECONDS, number)
            on_phase(f"a video of {seconds:g} s")
            job = _render(settings, store, coordinator, seconds, WARM)
            return _report("postgresql" if server else "sqlite", settings, store, job, replicas)
        finally:
            store.close()


def _render(settings: StreamingSettings, store: JobStore, coordinator: Any, seconds: float, number: int) -> Job:
    """A video, once it is finished."""
    fields = {"prompt": f"stream {number}", "order": ORDER, "total_second_length": seconds, "seed": 1, "steps": STEPS}
    job, _ = submit(settings, store, coordinator, fields)
    alone = sum(settings.sleeps.of(task.kind) for task in store.tasks(job.id))
    return ended(store, job, time.monotonic() + 4 * alone + PATIENCE)


def _report(database: str, settings: StreamingSettings, store: JobStore, job: Job, replicas: int) -> StreamReport:
    tasks, attempts = store.tasks(job.id), store.attempts(job.id)
    spans = {span.task: span for span in spans_of(job, tasks, attempts)}
    committed = {attempt.task_id: attempt.finished_at for attempt in attempts if attempt.finished_at}
    sections = [spans[task.name] for task in tasks if task.kind is TaskKind.SECTION]
    decodings = [spans[task.name] for task in tasks if task.kind is TaskKind.DECODE]
    made = {task.section: committed[task.id] for task in tasks if task.kind is TaskKind.SECTION}
    shown = {task.section: committed[task.id] for task in tasks if task.kind is TaskKind.DECODE}
    lags = [1000 * (shown[index] - made[index]).total_seconds() for index in shown]
    render = settings.sleeps.section
    whole = sections[-1].ended - sections[0].began
    return StreamReport(
        database,
        replicas,
        settings.sleeps,
        settings.size,
        len(sections),
        len(sections) * render / whole,
        whole - len(sections) * render,
        Spread.of([1000 * (after.ended - before.ended - render) for before, after in pairwise(sections)]),
        Spread.of([1000 * (span.ended - span.began - render) for span in sections]),
        Spread.of(lags),
        lags[-1],
        _places(sections, decodings),
        _beside(sections, decodings),
    )


def _places(sections: Sequence[Span], decodings: Sequence[Span]) -> dict[str, tuple[int, int]]:
    """By replica, how many sections and decodings it had."""
    rendered, decoded = (Counter(span.replica for span in spans) for spans in (sections, decodings))
    names = sorted(rendered | decoded, key=lambda name: (-rendered[name], name))
    return {f"replica {number}": (rendered[name], decoded[name]) for number, name in enumerate(names, start=1)}


def _beside(sections: Sequence[Span], decodings: Sequence[Span]) -> float:
    """Share of the decodings that kept no section waiting: none that was ready began later on their replica."""
    held = 0
    for span in decodings:
        waiting = [one for one in sections if one.ready < span.ended and one.began >= span.ended]
        held += any(one.replica == span.replica for one in waiting)
    return 1 - held / len(decodings)
