"""The steps that job and task transitions are made of. Each runs inside the caller's transaction.

Whoever changes a job's rows locks the job first (``lock_job``): two attempts of one job that commit at the same
moment would otherwise each see the other's task unfinished, and nobody would free what depends on both.
SQLite has one writer at a time anyway.

Statements that every task needs are built once, with bound parameters: building one takes longer than executing it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from farm.jobs.events import EventKind
from farm.jobs.records import ACTIVE, RUNNABLE, AttemptState, FailureKind, JobState, TaskState

from . import tables as t
from .rows import AnyRow, no_job, now

REUSED = "reused"
"""Stands for the replica in attempts that took a result over."""

_OF_JOB = t.jobs.c.id == bindparam("of_job")
_LOCKED = select(t.jobs).where(_OF_JOB).with_for_update()
_CHANGE = update(t.jobs).where(_OF_JOB)
_CLOCK = select(t.jobs.c.started_at, t.jobs.c.finished_at, t.jobs.c.idle_since, t.jobs.c.idle_seconds).where(_OF_JOB)
_UNFINISHED = select(1).where(t.tasks.c.job_id == bindparam("of_job"), t.tasks.c.state != TaskState.DONE).limit(1)
_END = update(t.attempts).where(t.attempts.c.id == bindparam("attempt"), t.attempts.c.state == AttemptState.RUNNING)
_EVENT = insert(t.events)


def lock_job(connection: Connection, job_id: str) -> AnyRow:
    """The job's row, locked until the transaction ends; NotFoundError when there is none."""
    row = connection.execute(_LOCKED, {"of_job": job_id}).first()
    if row is None:
        raise no_job(job_id)
    return row


def set_job_state(connection: Connection, job_id: str, state: JobState, **values: Any) -> None:
    """Move the job to ``state``; ended states get a finishing time, others lose it. Its clock stops and goes on."""
    moment = now()
    finished = None if state in ACTIVE else moment
    clock = _clock(connection.execute(_CLOCK, {"of_job": job_id}).one(), state in RUNNABLE, moment)
    values = {"state": state, "updated_at": moment, "finished_at": finished, **clock, **values}
    connection.execute(_CHANGE, {"of_job": job_id, **values})


def _clock(row: AnyRow, goes: bool, moment: datetime) -> dict[str, Any]:
    """Since when a job is idle, and the seconds of earlier breaks; what it takes is what is left (``Job.took``)."""
    since = row.idle_since or row.finished_at
    if not goes:
        return {"idle_since": since or moment}
    if since is None or row.started_at is None:
        return {"idle_since": None}
    return {"idle_since": None, "idle_seconds": row.idle_seconds + (moment - since).total_seconds()}


def touch_job(connection: Connection, job_id: str) -> None:
    connection.execute(_CHANGE, {"of_job": job_id, "updated_at": now()})


def add_event(connection: Connection, job_id: str, kind: EventKind, message: str, **data: Any) -> None:
    connection.execute(_EVENT, {"job_id": job_id, "at": now(), "kind": kind, "message": message, "data": data})


def undone_dependency() -> Any:
    """SQL condition: the task in question has a dependency that is not done."""
    needed = t.tasks.alias()
    return exists(
        select(1)
        .select_from(t.dependencies.join(needed, needed.c.id == t.dependencies.c.needs_id))
        .where(t.dependencies.c.task_id == t.tasks.c.id, needed.c.state != TaskState.DONE)
        .correlate(t.tasks)
    )


_RIPE = (
    update(t.tasks)
    .where(t.tasks.c.job_id == bindparam("of_job"), t.tasks.c.state == TaskState.WAITING, ~undone_dependency())
    .values(state=TaskState.READY)
)
_FREE = _RIPE.returning(t.tasks.c.position, t.tasks.c.name)
_FREE_DEPENDANTS = _RIPE.where(
    t.tasks.c.id.in_(select(t.dependencies.c.task_id).where(t.dependencies.c.needs_id == bindparam("needed")))
).returning(t.tasks.c.position, t.tasks.c.name)


def free_tasks(connection: Connection, job_id: str, dependants_of: str | None = None) -> list[str]:
    """Make waiting tasks whose dependencies are all done ready; return their names in task order.

    ``dependants_of`` limits the search to the tasks that depend on that task.
    """
    if dependants_of is None:
        freed = connection.execute(_FREE, {"of_job": job_id}).all()
    else:
        freed = connection.execute(_FREE_DEPENDANTS, {"of_job": job_id, "needed": dependants_of}).all()
    return [name for _, name in sorted(tuple(row) for row in freed)]


def complete_if_done(connection: Connection, job_id: str) -> bool:
    """Complete the job when every task is done; return whether it was completed now."""
    if connection.execute(_UNFINISHED, {"of_job": job_id}).first() is not None:
        return False
    set_job_state(connection, job_id, JobState.COMPLETED, error="")
    add_event(connection, job_id, EventKind.JOB_COMPLETED, "the video is ready")
    return True


def end_tasks(connection: Connection, job_id: str, why: str) -> None:
    """Cancel every task that is neither done nor failed and interrupt the running attempts."""
    running = select(t.attempts).where(t.attempts.c.job_id == job_id, t.attempts.c.state == AttemptState.RUNNING)
    for row in connection.execute(running.order_by(t.attempts.c.id)).all():
        end_attempt(connection, row.id, AttemptState.INTERRUPTED, FailureKind.INTERRUPTION, why)
        add_event(connection, job_id, EventKind.ATTEMPT_INTERRUPTED, why, attempt=row.id, replica=row.replica)
    open_states = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING)
    connection.execute(
        update(t.tasks)
        .where(t.tasks.c.job_id == job_id, t.tasks.c.state.in_(open_states))
        .values(state=TaskState.CANCELLED, reason=why)
    )


def end_attempt(
    connection: Connection,
    attempt_id: str,
    state: AttemptState,
    failure: FailureKind | None = None,
    message: str = "",
    more: Mapping[str, Any] | None = None,
) -> bool:
    """Take a running attempt to its end by compare-and-set; False when it is not running. ``more``: values of other
    columns."""
    ending = {"attempt": attempt_id, "state": state, "failure": failure, "message": message, "finished_at": now()}
    return connection.execute(_END, {**ending, **(more or {})}).rowcount == 1
