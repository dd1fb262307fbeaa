"""From rows to records, and the reads that several modules share."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, select

from farm.errors import NotFoundError
from farm.jobs.records import (
    Artifact,
    Attempt,
    AttemptState,
    Event,
    FailureKind,
    Job,
    JobState,
    Replica,
    Task,
    TaskKind,
    TaskState,
)
from farm.jobs.stored import StoredRequest

from . import tables as t

AnyRow = Row[*tuple[Any, ...]]


def now() -> datetime:
    return datetime.now(UTC)


def load_job(connection: Connection, job_id: str) -> Job:
    """The job; NotFoundError when there is none."""
    return load_jobs(connection, select(t.jobs).where(t.jobs.c.id == job_id), missing=job_id)[0]


def load_job_alone(connection: Connection, job_id: str) -> Job:
    """The job without its counts, which take longest; NotFoundError when there is none."""
    row = connection.execute(select(t.jobs).where(t.jobs.c.id == job_id)).first()
    if row is None:
        raise no_job(job_id)
    return _job(row, {"sections": 0, "sections_done": 0, "running_steps": 0})


def load_jobs(connection: Connection, query: Select[Any], missing: str = "") -> list[Job]:
    """The jobs that ``query`` selects, with their counts; NotFoundError for ``missing`` when there are none."""
    rows = connection.execute(query).all()
    if missing and not rows:
        raise no_job(missing)
    counts = _counts(connection, [row.id for row in rows])
    return [_job(row, counts[row.id]) for row in rows]


def load_tasks(connection: Connection, query: Select[Any]) -> list[Task]:
    """The tasks that ``query`` selects, with the names of what they depend on."""
    rows = connection.execute(query).all()
    needed = t.tasks.alias()
    needs: dict[str, list[str]] = defaultdict(list)
    for some in batches([row.id for row in rows]):
        names = (
            select(t.dependencies.c.task_id, needed.c.name)
            .join(needed, needed.c.id == t.dependencies.c.needs_id)
            .where(t.dependencies.c.task_id.in_(some))
            .order_by(needed.c.position)
        )
        for task_id, name in connection.execute(names):
            needs[task_id].append(name)
    return [
        Task(
            id=row.id,
            job_id=row.job_id,
            name=row.name,
            kind=TaskKind(row.kind),
            section=row.section,
            dependencies=tuple(needs[row.id]),
            state=TaskState(row.state),
            failures=row.failures,
            reason=row.reason,
            work=row.work,
            chain=row.chain,
            not_before=row.not_before,
            key=row.key,
        )
        for row in rows
    ]


def attempt(row: AnyRow) -> Attempt:
    return Attempt(
        id=row.id,
        task_id=row.task_id,
        job_id=row.job_id,
        number=row.number,
        replica=row.replica,
        state=AttemptState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        failure=FailureKind(row.failure) if row.failure else None,
        message=row.message,
        step=row.step,
        steps=row.steps,
        device_class=row.device_class,
        facts=row.facts,
    )


def artifact(row: AnyRow) -> Artifact:
    return Artifact(row.name, row.key, row.size, row.sha256, row.media_type)


def event(row: AnyRow) -> Event:
    return Event(row.id, row.job_id, row.at, row.kind, row.message, row.data)


def replica(row: AnyRow) -> Replica:
    return Replica(**row._asdict())


def no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id!r}; `farm jobs` lists them.")


def _job(row: AnyRow, counts: dict[str, int]) -> Job:
    stored = StoredRequest(row.request, row.request_version)
    steps = stored.fields.get("steps", 0)
    steps = steps if isinstance(steps, int) else 0
    counts["steps_done"] = min(
        counts.pop("running_steps") + counts.pop("sections_done") * steps, counts["sections"] * steps
    )
    counts["steps_total"] = counts.pop("sections") * steps
    return Job(
        id=row.id,
        stored=stored,
        state=JobState(row.state),
        owner=row.owner,
        name=row.name,
        prompt=row.prompt,
        priority=row.priority,
        family=row.family,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        plan_digest=row.plan_digest,
        plan=row.plan,
        parent=row.parent,
        kept=tuple(row.kept),
        deadline=row.deadline,
        mixing=row.mixing,
        labels=tuple(row.labels),
        counts=counts,
    )


def _counts(connection: Connection, job_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Per job: tasks per state, ``sections``, ``sections_done`` and ``running_steps``."""
    zero = {**{state.value: 0 for state in TaskState}, "sections": 0, "sections_done": 0, "running_steps": 0}
    counts = {job_id: dict(zero) for job_id in job_ids}
    sections = func.sum(case((t.tasks.c.kind == TaskKind.SECTION, 1), else_=0))
    steps = (
        select(t.attempts.c.job_id, func.sum(t.attempts.c.step))
        .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
        .where(t.attempts.c.state == AttemptState.RUNNING, t.tasks.c.kind == TaskKind.SECTION)
        .group_by(t.attempts.c.job_id)
    )
    states = select(t.tasks.c.job_id, t.tasks.c.state, func.count(), sections).group_by(
        t.tasks.c.job_id, t.tasks.c.state
    )
    for some in batches(job_ids):
        for job_id, state, count, of_sections in connection.execute(states.where(t.tasks.c.job_id.in_(some))):
            counts[job_id][state] = count
            counts[job_id]["sections"] += of_sections
            if state == TaskState.DONE:
                counts[job_id]["sections_done"] = of_sections
        for job_id, reached in connection.execute(steps.where(t.attempts.c.job_id.in_(some))):
            counts[job_id]["running_steps"] = reached
    return counts


def batches(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    """``ids`` in pieces that a statement can take."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
