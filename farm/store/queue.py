"""The queue as the rows hold it: what may start now, and which jobs have changed since somebody looked. No request is
read: what scheduling needs are numbers and names."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from farm.jobs.facts import seconds_of
from farm.jobs.records import RUNNABLE, AttemptState, TaskKind, TaskState

from . import tables as t
from .reuse import REUSED
from .rows import batches

_OPEN = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING)
_COUNTS = (AttemptState.RUNNING, AttemptState.COMMITTED)


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
class QueuedJob:
    """A job that may run.

    ``left``: by kind of task, the work of those that are not done, and the longest chain of one; ``device``: the kind
    of device that its sections were or are rendered on, empty while there is none. ``labels``: that a node must have;
    ``needs``: bytes that its model takes at least on a ``card`` or ``host``.
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
    ready: tuple[QueuedTask, ...] = field(default=())

    @property
    def remaining(self) -> float:
        """Work of all its tasks that are not done."""
        return sum(work for work, _ in self.left.values())


@dataclass(frozen=True)
class Changes:
    """Jobs about which something was written, and the newest line of any history: where to go on."""

    jobs: frozenset[str]
    newest: int


def changes(connection: Connection, after: int) -> Changes:
    """What was written after the history line ``after``.

    On PostgreSQL a line can appear after one with a higher number; whoever follows asks again from some seconds back.
    """
    query = select(t.events.c.job_id, func.max(t.events.c.id)).where(t.events.c.id > after).group_by(t.events.c.job_id)
    rows = connection.execute(query).all()
    return Changes(frozenset(row[0] for row in rows), max((row[1] for row in rows), default=after))


def newest_change(connection: Connection) -> int:
    """The newest line of any history; 0 when there is none."""
    return connection.execute(select(func.max(t.events.c.id))).scalar() or 0


def queued(connection: Connection, job_ids: Collection[str] | None = None) -> list[QueuedJob]:
    """The jobs that may run, all or those of ``job_ids``, with their ready tasks."""
    found: list[QueuedJob] = []
    for some in [None] if job_ids is None else batches(sorted(job_ids)):
        found += _queued(connection, some)
    return found


def _queued(connection: Connection, job_ids: Sequence[str] | None) -> list[QueuedJob]:
    def of_these(query: Select[Any]) -> Sequence[Any]:
        query = query.where(t.jobs.c.state.in_(RUNNABLE))
        return connection.execute(query if job_ids is None else query.where(t.jobs.c.id.in_(job_ids))).all()

    tasks = t.tasks.join(t.jobs, t.jobs.c.id == t.tasks.c.job_id)
    job = t.jobs.c
    order = (job.name, job.owner, job.priority, job.deadline, job.mixing, job.labels, job.needs)
    jobs = of_these(select(job.id, *order, job.family, job.created_at.label("submitted")))
    left: dict[str, dict[TaskKind, tuple[float, float]]] = defaultdict(dict)
    for row in of_these(
        select(t.tasks.c.job_id, t.tasks.c.kind, func.sum(t.tasks.c.work).label("work"), func.max(t.tasks.c.chain))
        .select_from(tasks)
        .where(t.tasks.c.state.in_(_OPEN))
        .group_by(t.tasks.c.job_id, t.tasks.c.kind)
    ):
        left[row.job_id][TaskKind(row.kind)] = (row.work, row[3])
    attempts = tasks.join(t.attempts, t.attempts.c.task_id == t.tasks.c.id)
    devices = dict(
        tuple(row)
        for row in of_these(
            select(t.tasks.c.job_id, func.min(t.attempts.c.device))
            .select_from(attempts)
            .where(
                t.tasks.c.kind == TaskKind.SECTION,
                t.attempts.c.state.in_(_COUNTS),
                t.attempts.c.device != "",
            )
            .group_by(t.tasks.c.job_id)
        )
    )
    ready: dict[str, list[QueuedTask]] = defaultdict(list)
    for row in of_these(
        select(t.tasks).select_from(tasks).where(t.tasks.c.state == TaskState.READY).order_by(t.tasks.c.position)
    ):
        task = QueuedTask(
            row.id,
            row.name,
            TaskKind(row.kind),
            row.section,
            row.work,
            row.chain,
            row.not_before,
            row.key,
        )
        ready[row.job_id].append(task)
    return [
        QueuedJob(
            **row._asdict(),
            left=left[row.id],
            device=devices.get(row.id, ""),
            ready=tuple(ready[row.id]),
        )
        for row in jobs
    ]


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
