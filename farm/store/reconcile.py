"""The sweep that settles what no event will: run when a coordinator starts, and now and then.

Suspects are found by a few queries over all jobs, which only read; each is then mended in a short transaction of its
own. A farm with nothing to mend writes nothing, however long its queue.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, exists, select, update

from farm.errors import NotFoundError
from farm.jobs.events import EventKind
from farm.jobs.records import (
    ACTIVE,
    AttemptState,
    FailureKind,
    JobState,
    TaskState,
)

from . import tables as t
from .transitions import (
    add_event,
    complete_if_done,
    end_attempt,
    end_tasks,
    free_tasks,
    lock_job,
    set_job_state,
    undone_dependency,
)


def suspects(connection: Connection) -> list[str]:
    """Jobs whose rows may contradict each other."""
    found = {job_id for query in _questions() for job_id in connection.execute(query).scalars()}
    return sorted(found)


def _questions() -> Iterator[Select[Any]]:
    """One for each way in which rows can contradict each other."""
    jobs, tasks, attempts = t.jobs.c, t.tasks.c, t.attempts.c
    of_tasks = select(tasks.job_id).distinct().join(t.jobs, jobs.id == tasks.job_id)
    active = jobs.state.in_(ACTIVE)
    held = exists(select(1).where(attempts.task_id == tasks.id, attempts.state == AttemptState.RUNNING))
    yield (
        select(attempts.job_id)
        .join(t.tasks, tasks.id == attempts.task_id)
        .join(t.jobs, jobs.id == attempts.job_id)
        .where(attempts.state == AttemptState.RUNNING, (tasks.state != TaskState.RUNNING) | ~active)
    )
    yield of_tasks.where(active, tasks.state == TaskState.RUNNING, ~held)
    yield of_tasks.where(active, tasks.state == TaskState.READY, undone_dependency())
    yield of_tasks.where(active, tasks.state == TaskState.WAITING, ~undone_dependency())
    yield of_tasks.where(active, tasks.state == TaskState.FAILED)
    unfinished = exists(select(1).where(tasks.job_id == jobs.id, tasks.state != TaskState.DONE))
    yield select(jobs.id).where(active, ~unfinished)


def mend(connection: Connection, job_id: str) -> list[str]:
    """Settle one suspect; returns what was mended, one line each."""
    try:
        job = lock_job(connection, job_id)
    except NotFoundError:  # deleted since it was suspected
        return []
    lines = _end_stray_attempts(connection, job_id, job.state)
    if job.state in ACTIVE:
        lines += _free_and_hold_tasks(connection, job_id)
        lines += _settle(connection, job_id)
    elif lines:
        end_tasks(connection, job_id, f"the job is {job.state}")
    for line in lines:
        add_event(connection, job_id, EventKind.RECONCILED, line)
    return [f"job {job_id}: {line}" for line in lines]


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
