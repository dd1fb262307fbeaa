"""What the farm is at and has lately done, by replica and by owner: a few counts for people."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from farm.jobs.records import RUNNABLE, AttemptState, JobState, TaskKind

from . import tables as t
from .transitions import REUSED


@dataclass(frozen=True)
class AtWork:
    """An attempt in a replica's hands. ``job_name``: what people call its job."""

    attempt: str
    replica: str
    job_id: str
    job_name: str
    task: str
    step: int
    steps: int


@dataclass(frozen=True)
class OwnerLoad:
    """``waiting``, ``running``: jobs; ``work``: units of the tasks that were lately finished for the owner."""

    waiting: int = 0
    running: int = 0
    work: float = 0.0


def at_work(connection: Connection) -> list[AtWork]:
    """Everything that is in hand, what began first before the rest."""
    columns = (t.attempts.c.id, t.attempts.c.replica, t.jobs.c.id, t.jobs.c.name, t.jobs.c.prompt, t.tasks.c.name)
    query = (
        select(*columns, t.attempts.c.step, t.attempts.c.steps)
        .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
        .join(t.jobs, t.jobs.c.id == t.attempts.c.job_id)
        .where(t.attempts.c.state == AttemptState.RUNNING)
        .order_by(t.attempts.c.started_at, t.attempts.c.id)
    )
    found = []
    for attempt, replica, job, name, prompt, task, step, steps in connection.execute(query):
        found.append(AtWork(attempt, replica, job, name or prompt, task, step, steps))
    return found


def sections_since(connection: Connection, since: datetime) -> dict[str, int]:
    """How many sections each replica has finished since then."""
    query = (
        select(t.attempts.c.replica, func.count())
        .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
        .where(t.attempts.c.finished_at >= since, t.attempts.c.state == AttemptState.COMMITTED)
        .where(t.tasks.c.kind == TaskKind.SECTION, t.attempts.c.replica != REUSED)
        .group_by(t.attempts.c.replica)
    )
    return {row.replica: row[1] for row in connection.execute(query)}


def owner_loads(connection: Connection, since: datetime) -> Mapping[str, OwnerLoad]:
    """Per owner the jobs that are not done, and the work done since then."""
    work = (
        select(t.jobs.c.owner, func.sum(t.tasks.c.work))
        .select_from(t.attempts)
        .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
        .join(t.jobs, t.jobs.c.id == t.attempts.c.job_id)
        .where(t.attempts.c.finished_at >= since, t.attempts.c.state == AttemptState.COMMITTED)
        .where(t.attempts.c.replica != REUSED)
        .group_by(t.jobs.c.owner)
    )
    jobs = (
        select(t.jobs.c.owner, t.jobs.c.state, func.count())
        .where(t.jobs.c.state.in_(RUNNABLE))
        .group_by(t.jobs.c.owner, t.jobs.c.state)
    )
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for owner, state, count in connection.execute(jobs):
        counts[owner][state] = count
    done = {owner: float(units) for owner, units in connection.execute(work)}
    owners = counts.keys() | done.keys()
    return {
        owner: OwnerLoad(
            counts[owner].get(JobState.PENDING, 0), counts[owner].get(JobState.RUNNING, 0), done.get(owner, 0.0)
        )
        for owner in sorted(owners)
    }
