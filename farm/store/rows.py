"""From rows to records, and the reads that several modules share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, func, select

from farm.errors import NotFoundError
from farm.jobs.names import take_pattern
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
from farm.jobs.shots import Shot, shots_from_json
from farm.jobs.stored import StoredRequest

from . import tables as t

AnyRow = Row[*tuple[Any, ...]]

_JOB = select(t.jobs).where(t.jobs.c.id == bindparam("of_job"))
_NEEDED = t.tasks.alias()
_NEEDS = (
    select(t.dependencies.c.task_id, _NEEDED.c.name)
    .join(_NEEDED, _NEEDED.c.id == t.dependencies.c.needs_id)
    .where(t.dependencies.c.task_id.in_(bindparam("of_tasks", expanding=True)))
    .order_by(_NEEDED.c.position)
)
_SECTION = (t.tasks.c.kind == TaskKind.SECTION) & t.tasks.c.name.not_like(take_pattern())
"""Other takes of a section are no sections of the video."""
_IN_JOBS = t.tasks.c.job_id.in_(bindparam("of_jobs", expanding=True))
_STATES = (
    select(
        t.tasks.c.job_id,
        t.tasks.c.state,
        func.count(),
        func.sum(case((_SECTION, 1), else_=0)),
    )
    .where(_IN_JOBS)
    .group_by(t.tasks.c.job_id, t.tasks.c.state)
)
_STEPS = (
    select(t.attempts.c.job_id, func.sum(t.attempts.c.step))
    .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
    .where(_IN_JOBS, t.attempts.c.state == AttemptState.RUNNING, _SECTION)
    .group_by(t.attempts.c.job_id)
)


def now() -> datetime:
    return datetime.now(UTC)


def load_job(connection: Connection, job_id: str) -> Job:
    """The job; NotFoundError when there is none."""
    return _with_counts(connection, [_row_of(connection, job_id)])[0]


def load_job_alone(connection: Connection, job_id: str) -> Job:
    """The job without its counts, which take longest; NotFoundError when there is none."""
    return _job(_row_of(connection, job_id), {"sections": 0, "sections_done": 0, "running_steps": 0})


def load_jobs(connection: Connection, query: Select[Any]) -> list[Job]:
    """The jobs that ``query`` selects, with their counts."""
    return _with_counts(connection, connection.execute(query).all())


def _row_of(connection: Connection, job_id: str) -> AnyRow:
    row = connection.execute(_JOB, {"of_job": job_id}).first()
    if row is None:
        raise no_job(job_id)
    return row


def _with_counts(connection: Connection, rows: Sequence[AnyRow]) -> list[Job]:
    counts = _counts(connection, [row.id for row in rows])
    return [_job(row, counts[row.id]) for row in rows]


def load_tasks(connection: Connection, query: Select[Any], bound: Mapping[str, Any] | None = None) -> list[Task]:
    """The tasks that ``query`` selects, with the names of what they depend on."""
    rows = connection.execute(query, bound).all()
    needs: dict[str, list[str]] = defaultdict(list)
    for some in batches([row.id for row in rows]):
        for task_id, name in connection.execute(_NEEDS, {"of_tasks": some}):
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
            chosen=row.chosen,
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


def replica(row: AnyRow, looked: datetime | None = None) -> Replica:
    """``looked``: when all that were heard were seen last."""
    values = row._asdict()
    if values.pop("heard"):
        values["seen_at"] = later(row.seen_at, looked)
    return Replica(**values)


def later(one: datetime, other: datetime | None) -> datetime:
    """The later of both moments, if there is another."""
    return max(one, other) if other else one


def no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id!r}; `farm jobs` lists them.")


def _job(row: AnyRow, counts: dict[str, int]) -> Job:
    stored = StoredRequest(row.request, row.request_version)
    shots = shots_from_json(row.shots)
    counts["sections_total"] = counts.pop("sections")
    steps = _steps_of(stored, shots)
    counts["steps_total"] = round(counts["sections_total"] * steps)
    done = counts.pop("running_steps") + round(counts["sections_done"] * steps)
    counts["steps_done"] = min(done, counts["steps_total"])
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
        idle_since=row.idle_since,
        idle_seconds=row.idle_seconds,
        error=row.error,
        plan_digest=row.plan_digest,
        plan=row.plan,
        parent=row.parent,
        kept=tuple(row.kept),
        deadline=row.deadline,
        mixing=row.mixing,
        labels=tuple(row.labels),
        preset=row.preset,
        batch=row.batch,
        stored_full=row.full,
        stored_exports=tuple(row.exports),
        shots=shots,
        storyboard=row.storyboard,
        counts=counts,
    )


def _steps_of(stored: StoredRequest, shots: Sequence[Shot]) -> float:
    """Of a section, on average."""
    parts = [(shot.stored, shot.sections) for shot in shots] or [(stored, 1)]
    known = [(each.fields.get("steps", 0), sections) for each, sections in parts]
    total = sum(steps * sections for steps, sections in known if isinstance(steps, int))
    return total / sum(sections for _, sections in known)


def _counts(connection: Connection, job_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Per job: tasks per state, ``sections``, ``sections_done`` and ``running_steps``."""
    zero = {**{state.value: 0 for state in TaskState}, "sections": 0, "sections_done": 0, "running_steps": 0}
    counts = {job_id: dict(zero) for job_id in job_ids}
    for some in batches(job_ids):
        for job_id, state, count, of_sections in connection.execute(_STATES, {"of_jobs": some}):
            counts[job_id][state] = count
            counts[job_id]["sections"] += of_sections
            if state == TaskState.DONE:
                counts[job_id]["sections_done"] = of_sections
        for job_id, reached in connection.execute(_STEPS, {"of_jobs": some}):
            counts[job_id]["running_steps"] = reached
    return counts


def batches(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    """``ids`` in pieces that a statement can take."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
