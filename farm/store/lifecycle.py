"""What users do with a job: create, cancel, pause, resume, retry, delete. Each function is one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from farm.errors import ConflictError, InputError
from farm.jobs.assets import NOTHING, Assets, assets_to_json
from farm.jobs.bulk import FITTING, Action
from farm.jobs.events import EventKind
from farm.jobs.order import JobOrder, OrderChange
from farm.jobs.records import (
    Artifact,
    Job,
    JobState,
    Task,
    TaskKind,
    TaskState,
)
from farm.jobs.request import RenderRequest
from farm.jobs.shots import Shot, shots_to_json
from farm.jobs.stored import REQUEST_VERSION, StoredRequest

from . import tables as t
from .rows import load_job, now
from .transitions import add_event, end_tasks, free_tasks, lock_job, set_job_state


def new_id() -> str:
    return uuid4().hex


def create_job(
    connection: Connection,
    job_id: str,
    request: RenderRequest,
    order: JobOrder,
    plan_digest: str,
    tasks: Sequence[Task],
    files: Sequence[Artifact],
    idempotency_key: str | None,
    notes: Sequence[str] = (),
    plan: Mapping[str, Any] | None = None,
    parent: str = "",
    kept: Sequence[int] = (),
    needs: Mapping[str, float] | None = None,
    assets: Assets = NOTHING,
    shots: Sequence[Shot] = (),
    storyboard: Mapping[str, Any] | None = None,
) -> Job:
    """Write the job, its tasks and its files; InputError for a graph that can't be executed."""
    same = t.jobs.c.id == job_id
    if idempotency_key is not None:
        same |= t.jobs.c.idempotency_key == idempotency_key
    existing = connection.execute(select(t.jobs.c.id).where(same).order_by(t.jobs.c.id != job_id)).scalar()
    if existing is not None:
        return load_job(connection, existing)
    edges = _edges(tasks)
    moment = now()
    connection.execute(
        insert(t.jobs).values(
            id=job_id,
            state=JobState.PENDING,
            **terms_of(order),
            prompt=request.prompt,
            request=StoredRequest.of(request).text,
            request_version=REQUEST_VERSION,
            family=request.model_type,
            plan=dict(plan or {}),
            parent=parent,
            kept=list(kept),
            needs=dict(needs or {}),
            assets=assets_to_json(assets),
            shots=shots_to_json(shots),
            storyboard=dict(storyboard or {}),
            plan_digest=plan_digest,
            idempotency_key=idempotency_key,
            error="",
            created_at=moment,
            updated_at=moment,
        )
    )
    connection.execute(insert(t.tasks), [_task_values(job_id, position, task) for position, task in enumerate(tasks)])
    if edges:
        connection.execute(insert(t.dependencies), [{"task_id": task, "needs_id": needed} for task, needed in edges])
    if files:
        connection.execute(insert(t.artifacts), [{"job_id": job_id, **vars(file)} for file in files])
    sections = sum(task.kind is TaskKind.SECTION for task in tasks)
    add_event(
        connection,
        job_id,
        EventKind.JOB_CREATED,
        f"created with {sections} sections",
        tasks=len(tasks),
        sections=sections,
    )
    for note in notes:
        add_event(connection, job_id, EventKind.JOB_NOTE, note)
    free_tasks(connection, job_id)
    return load_job(connection, job_id)


def terms_of(order: JobOrder) -> dict[str, Any]:
    """An order as columns."""
    values = {name: getattr(order, name) for name in JobOrder.model_fields}
    return {
        **values,
        "labels": list(order.labels),
        "full": order.full.model_dump() if order.full else {},
        "exports": [export.model_dump(mode="json") for export in order.exports],
    }


def cancel_job(connection: Connection, job_id: str) -> Job:
    """End a job that has not ended; what its attempts still do will be refused."""
    _require(lock_job(connection, job_id).state, Action.CANCEL, job_id, "cancelled")
    end_tasks(connection, job_id, "the job was cancelled")
    set_job_state(connection, job_id, JobState.CANCELLED)
    add_event(connection, job_id, EventKind.JOB_CANCELLED, "cancelled")
    return load_job(connection, job_id)


def pause_job(connection: Connection, job_id: str) -> Job:
    """Start no more tasks of the job; running attempts finish and commit."""
    _require(lock_job(connection, job_id).state, Action.PAUSE, job_id, "paused")
    set_job_state(connection, job_id, JobState.PAUSED)
    add_event(connection, job_id, EventKind.JOB_PAUSED, "paused; running sections finish, no new ones start")
    return load_job(connection, job_id)


def resume_job(connection: Connection, job_id: str) -> Job:
    """Undo a pause."""
    row = lock_job(connection, job_id)
    _require(row.state, Action.RESUME, job_id, "resumed")
    set_job_state(connection, job_id, JobState.RUNNING if row.started_at else JobState.PENDING)
    add_event(connection, job_id, EventKind.JOB_RESUMED, "resumed")
    return load_job(connection, job_id)


def retry_job(connection: Connection, job_id: str) -> Job:
    """Start a failed or cancelled job again: finished tasks stay finished, others get a fresh retry budget."""
    _require(lock_job(connection, job_id).state, Action.RETRY, job_id, "retried")
    connection.execute(
        update(t.tasks)
        .where(t.tasks.c.job_id == job_id, t.tasks.c.state != TaskState.DONE)
        .values(state=TaskState.WAITING, failures=0, reason="")
    )
    ready = free_tasks(connection, job_id)
    set_job_state(connection, job_id, JobState.PENDING, error="")
    add_event(connection, job_id, EventKind.JOB_RETRIED, "retried; finished sections are kept", ready=ready)
    return load_job(connection, job_id)


def change_order(connection: Connection, job_id: str, change: OrderChange) -> Job:
    """Change who asks and how it is served; what is rendered stays. ConflictError for a job that has ended, but for its
    name."""
    row = lock_job(connection, job_id)
    values = change.values
    if set(values) - {"name"}:
        _require(row.state, Action.CHANGE, job_id, "changed")
    if values:
        connection.execute(update(t.jobs).where(t.jobs.c.id == job_id).values(**values, updated_at=now()))
        said = ", ".join(f"{name} {_said(value)}" for name, value in values.items())
        add_event(
            connection,
            job_id,
            EventKind.JOB_CHANGED,
            f"changed: {said}",
            **{name: str(v) for name, v in values.items()},
        )
    return load_job(connection, job_id)


def _said(value: object) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def delete_job(connection: Connection, job_id: str) -> None:
    """Remove all rows of a job that has ended."""
    _require(lock_job(connection, job_id).state, Action.DELETE, job_id, "deleted", " Cancel it first.")
    connection.execute(delete(t.jobs).where(t.jobs.c.id == job_id))


def _require(state: str, action: Action, job_id: str, done: str, hint: str = "") -> None:
    if state not in FITTING[action]:
        names = " or ".join(each.value for each in FITTING[action])
        raise ConflictError(f"job {job_id} is {state}, so it can't be {done}; only a {names} job can.{hint}")


def _task_values(job_id: str, position: int, task: Task) -> dict[str, object]:
    return {
        "id": task.id,
        "job_id": job_id,
        "position": position,
        "name": task.name,
        "kind": task.kind,
        "section": task.section,
        "state": TaskState.WAITING,
        "failures": 0,
        "reason": "",
        "work": task.work,
        "chain": task.chain,
        "key": task.key,
    }


def _edges(tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """Dependencies as pairs of task ids (task, what it needs); each task may only need tasks of the same job."""
    ids = {task.name: task.id for task in tasks}
    if not tasks or len(ids) != len(tasks):
        raise InputError("a job needs at least one task, and every task its own name.")
    unknown = {name for task in tasks for name in task.dependencies} - ids.keys()
    if unknown:
        raise InputError(f"tasks depend on {', '.join(sorted(unknown))}, which the job does not have.")
    return [(task.id, ids[name]) for task in tasks for name in dict.fromkeys(task.dependencies)]
