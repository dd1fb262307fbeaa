"""The sweep that settles what no event will: run when a coordinator starts, and now and then. One transaction."""

from sqlalchemy import Connection, exists, select, update

from farm.errors import NotFoundError
from farm.jobs.records import AttemptState, FailureKind, JobState, TaskState

from . import tables as t
from .transitions import (
    ACTIVE,
    add_event,
    complete_if_done,
    end_attempt,
    end_tasks,
    free_tasks,
    lock_job,
    set_job_state,
    undone_dependency,
)


def reconcile(connection: Connection) -> list[str]:
    """Mend every job whose rows contradict each other; return what was mended, one line each."""
    mended: list[str] = []
    running = exists(select(1).where(t.attempts.c.job_id == t.jobs.c.id, t.attempts.c.state == AttemptState.RUNNING))
    suspects = select(t.jobs.c.id).where(t.jobs.c.state.in_(ACTIVE) | running).order_by(t.jobs.c.id)
    for job_id in connection.execute(suspects).scalars().all():
        try:
            job = lock_job(connection, job_id)
        except NotFoundError:  # deleted since the query
            continue
        lines = _end_stray_attempts(connection, job_id, job.state)
        if job.state in ACTIVE:
            lines += _free_and_hold_tasks(connection, job_id)
            lines += _settle(connection, job_id)
        else:
            end_tasks(connection, job_id, f"the job is {job.state}")
        for line in lines:
            add_event(connection, job_id, "reconciled", line)
        mended += [f"job {job_id}: {line}" for line in lines]
    return mended


def _end_stray_attempts(connection: Connection, job_id: str, job_state: str) -> list[str]:
    """Running attempts of tasks that are not running, and of jobs that have ended."""
    query = (
        select(t.attempts.c.id, t.tasks.c.name, t.tasks.c.state)
        .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
        .where(t.attempts.c.job_id == job_id, t.attempts.c.state == AttemptState.RUNNING)
    )
    lines = []
    for row in connection.execute(query).all():
        if row.state != TaskState.RUNNING or job_state not in ACTIVE:
            why = f"{row.name} is {row.state} and the job {job_state}"
            end_attempt(connection, row.id, AttemptState.INTERRUPTED, FailureKind.INTERRUPTION, why)
            lines.append(f"a running attempt was ended: {why}")
    return lines


def _free_and_hold_tasks(connection: Connection, job_id: str) -> list[str]:
    """Tasks that run without an attempt, wait for nothing, or are ready too early."""
    current = exists(select(1).where(t.attempts.c.task_id == t.tasks.c.id, t.attempts.c.state == AttemptState.RUNNING))
    orphaned = connection.execute(
        update(t.tasks)
        .where(t.tasks.c.job_id == job_id, t.tasks.c.state == TaskState.RUNNING, ~current)
        .values(state=TaskState.WAITING, reason="its attempt was lost")
        .returning(t.tasks.c.name)
    )
    lines = [f"{name} was running without an attempt" for name in orphaned.scalars()]
    early = connection.execute(
        update(t.tasks)
        .where(t.tasks.c.job_id == job_id, t.tasks.c.state == TaskState.READY, undone_dependency())
        .values(state=TaskState.WAITING)
        .returning(t.tasks.c.name)
    )
    lines += [f"{name} was ready before its dependencies were done" for name in early.scalars()]
    return lines + [f"{name} is ready now" for name in free_tasks(connection, job_id)]


def _settle(connection: Connection, job_id: str) -> list[str]:
    """Give an active job the state that its tasks say."""
    if complete_if_done(connection, job_id):
        return ["every task was done; the job is completed"]
    failed = connection.execute(
        select(t.tasks.c.name, t.tasks.c.reason).where(t.tasks.c.job_id == job_id, t.tasks.c.state == TaskState.FAILED)
    ).first()
    if failed is None:
        return []
    error = f"{failed.name} failed: {failed.reason}"
    end_tasks(connection, job_id, f"the job failed at {failed.name}")
    set_job_state(connection, job_id, JobState.FAILED, error=error)
    return [f"{failed.name} had failed; the job is failed"]
