"""The queue as the rows hold it: what may start now, and which jobs have changed since somebody looked. No request is
read: what scheduling needs are numbers and names."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, select

from farm.jobs.assets import NOTHING, Assets, assets_of
from farm.jobs.facts import seconds_of
from farm.jobs.records import RUNNABLE, AttemptState, TaskKind, TaskState

from . import tables as t
from .rows import batches
from .transitions import REUSED

_OPEN = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING)
_COUNTS = (AttemptState.RUNNING, AttemptState.COMMITTED)
_CHANGES = select(t.events.c.id, t.events.c.job_id).where(t.events.c.id > bindparam("after"))
_THESE = t.jobs.c.id.in_(bindparam("of_jobs", expanding=True))
_RUNNABLE = select(t.jobs.c.id).where(t.jobs.c.state.in_(RUNNABLE))
_NEWEST = select(func.max(t.events.c.id))
_WAITING, _NEEDED, _EDGES = t.tasks.alias(), t.tasks.alias(), t.dependencies.alias()
_HELD_UP = exists(
    select(1)
    .select_from(_EDGES.join(_NEEDED, _NEEDED.c.id == _EDGES.c.needs_id))
    .where(_EDGES.c.task_id == _WAITING.c.id, _NEEDED.c.state.not_in((TaskState.DONE, TaskState.RUNNING)))
    .correlate(_WAITING)
)
"""The waiting task has a dependency that is neither done nor at work."""


@dataclass(frozen=True)
class QueuedTask:
    """A task that could start, not before ``not_before``."""

    id: str
    name: str
    kind: TaskKind
    section: int | None
    work: float
    chain: float
    not_before: datetime | None = None
    key: str = ""


@dataclass(frozen=True)
class NextTask:
    """A task that can start once those that it ``needs``, all of which are at work, are done."""

    task: QueuedTask
    needs: frozenset[str]


@dataclass(frozen=True)
class QueuedJob:
    """A job that may run.

    ``left``: by kind of task, the work of those that are not done, and the longest chain of one; ``device``: the kind
    of device that its sections were or are rendered on, empty while there is none. ``labels``: that a node must have;
    ``needs``: bytes that its model takes at least on a ``card`` or ``host``; ``assets``: that its tasks read on a disk.
    ``ready``: its tasks that can start; ``next``: those that what is at work will free.
    """

    id: str
    name: str
    owner: str
    priority: int
    deadline: datetime | None
    mixing: bool
    family: str
    submitted: datetime
    left: Mapping[TaskKind, tuple[float, float]]
    device: str
    labels: Sequence[str] = ()
    needs: Mapping[str, float] = field(default_factory=dict)
    assets: Assets = NOTHING
    rank: float = 0.0
    ready: tuple[QueuedTask, ...] = ()
    next: tuple[NextTask, ...] = ()

    @property
    def remaining(self) -> float:
        """Work of all its tasks that are not done."""
        return sum(work for work, _ in self.left.values())


def changes(connection: Connection, after: int) -> dict[int, str]:
    """The lines of history after the line ``after``, each with the job that it is about.

    On PostgreSQL a line can appear after one with a higher number; whoever follows asks again from some seconds back.
    """
    return {row[0]: row[1] for row in connection.execute(_CHANGES, {"after": after})}


def newest_change(connection: Connection) -> int:
    """The newest line of any history; 0 when there is none."""
    return connection.execute(_NEWEST).scalar() or 0


def runnable(connection: Connection) -> list[str]:
    """The jobs that may run."""
    return list(connection.execute(_RUNNABLE).scalars())


def queued(connection: Connection, job_ids: Collection[str] | None = None) -> list[QueuedJob]:
    """The jobs that may run, all or those of ``job_ids``, with their ready tasks."""
    found: list[QueuedJob] = []
    for some in [None] if job_ids is None else batches(sorted(job_ids)):
        found += _queued(connection, some)
    return found


class _Reads:
    """What is read of jobs that may run, as statements; ``some``: of those jobs alone whose ids are bound."""

    def __init__(self, some: bool) -> None:
        runnable = and_(t.jobs.c.state.in_(RUNNABLE), *([_THESE] if some else []))
        job, task, attempt = t.jobs.c, t.tasks.c, t.attempts.c
        tasks = t.tasks.join(t.jobs, job.id == task.job_id)
        order = (
            job.name,
            job.owner,
            job.priority,
            job.deadline,
            job.mixing,
            job.labels,
            job.needs,
            job.assets,
            job.rank,
        )
        self.jobs = select(job.id, *order, job.family, job.created_at.label("submitted")).where(runnable)
        self.left = (
            select(task.job_id, task.kind, func.sum(task.work), func.max(task.chain))
            .select_from(tasks)
            .where(runnable, task.state.in_(_OPEN))
            .group_by(task.job_id, task.kind)
        )
        self.devices = (
            select(task.job_id, func.min(attempt.device))
            .select_from(tasks.join(t.attempts, attempt.task_id == task.id))
            .where(runnable, task.kind == TaskKind.SECTION, attempt.state.in_(_COUNTS), attempt.device != "")
            .group_by(task.job_id)
        )
        self.ready = (
            select(task.job_id, *_facts(t.tasks))
            .select_from(tasks)
            .where(runnable, task.state == TaskState.READY)
            .order_by(task.position)
        )
        self.next = (
            select(_WAITING.c.job_id, *_facts(_WAITING), task.id)
            .select_from(
                tasks.join(t.dependencies, t.dependencies.c.needs_id == task.id).join(
                    _WAITING, _WAITING.c.id == t.dependencies.c.task_id
                )
            )
            .where(runnable, task.state == TaskState.RUNNING, _WAITING.c.state == TaskState.WAITING, ~_HELD_UP)
            .order_by(_WAITING.c.position)
        )


def _facts(tasks: Any) -> tuple[Any, ...]:
    """The columns of a ``QueuedTask``."""
    names = ("id", "name", "kind", "section", "work", "chain", "not_before", "key")
    return tuple(tasks.c[name] for name in names)


_OF_ALL, _OF_SOME = _Reads(some=False), _Reads(some=True)


def _queued(connection: Connection, job_ids: Sequence[str] | None) -> list[QueuedJob]:
    reads, bound = (_OF_ALL, {}) if job_ids is None else (_OF_SOME, {"of_jobs": job_ids})

    def rows_of(query: Select[Any]) -> Sequence[Any]:
        return connection.execute(query, bound).all()

    jobs = rows_of(reads.jobs)
    left: dict[str, dict[TaskKind, tuple[float, float]]] = defaultdict(dict)
    for job_id, kind, work, chain in rows_of(reads.left):
        left[job_id][TaskKind(kind)] = (work, chain)
    devices = dict(tuple(row) for row in rows_of(reads.devices))
    ready: dict[str, list[QueuedTask]] = defaultdict(list)
    for job_id, *facts in rows_of(reads.ready):
        ready[job_id].append(_task(*facts))
    following = _next(rows_of(reads.next))
    return [
        QueuedJob(
            **{**row._asdict(), "assets": assets_of(row.assets)},
            left=left[row.id],
            device=devices.get(row.id, ""),
            ready=tuple(ready[row.id]),
            next=tuple(following[row.id]),
        )
        for row in jobs
    ]


def _task(id: str, name: str, kind: str, *facts: Any) -> QueuedTask:
    return QueuedTask(id, name, TaskKind(kind), *facts)


def _next(rows: Sequence[Any]) -> dict[str, list[NextTask]]:
    """By their jobs; each row names one task that another needs."""
    needs: dict[str, set[str]] = defaultdict(set)
    tasks: dict[str, dict[str, QueuedTask]] = defaultdict(dict)
    for job_id, *facts, needed in rows:
        task = _task(*facts)
        tasks[job_id][task.id] = task
        needs[task.id].add(needed)
    found: dict[str, list[NextTask]] = defaultdict(list)
    for job_id, of_job in tasks.items():
        found[job_id] = [NextTask(task, frozenset(needs[task.id])) for task in of_job.values()]
    return found


@dataclass(frozen=True)
class Finished:
    """What a committed attempt took, in seconds, and where."""

    kind: TaskKind
    family: str
    device: str
    work: float
    seconds: float


def finished(connection: Connection, limit: int) -> list[Finished]:
    """The newest attempts that say how long they took, the oldest of them first."""
    query = (
        select(t.tasks.c.kind, t.jobs.c.family, t.attempts.c.device, t.tasks.c.work, t.attempts.c.facts)
        .select_from(
            t.attempts.join(t.tasks, t.tasks.c.id == t.attempts.c.task_id).join(
                t.jobs, t.jobs.c.id == t.attempts.c.job_id
            )
        )
        .where(t.attempts.c.state == AttemptState.COMMITTED, t.attempts.c.device != "", t.attempts.c.replica != REUSED)
        .order_by(t.attempts.c.finished_at.desc())
        .limit(limit)
    )
    found = []
    for row in connection.execute(query).all():
        seconds = seconds_of(row.facts)
        if seconds > 0:
            family = "" if row.kind == TaskKind.EXPORT else row.family
            found.append(Finished(TaskKind(row.kind), family, row.device, row.work, seconds))
    return found[::-1]
