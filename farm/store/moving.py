"""Jobs that people move in the queue: a rank, lower first, among an owner's jobs of one priority."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from farm.errors import ConflictError
from farm.jobs.events import EventKind
from farm.jobs.records import ACTIVE, Job, JobState

from . import tables as t
from .rows import load_job, now
from .transitions import add_event, lock_job


def move(connection: Connection, job_id: str, to: str, ahead: Sequence[str] = ()) -> Job:
    """Put a job before another, or to the first or last place of its owner's.

    Args:
        job_id: what moves; it takes on the priority of where it goes.
        to: ``first``, ``last``, or the id of the job that it goes before.
        ahead: for the latter, the jobs of its owner that go before that one now, in their order.

    Raises:
        ConflictError: either job has ended, or they have different owners.
    """
    row = lock_job(connection, job_id)
    _require_active(row.state, job_id)
    own = (t.jobs.c.owner == row.owner, t.jobs.c.state.in_(ACTIVE), t.jobs.c.id != job_id)
    if to == "last":
        least = select(func.min(t.jobs.c.priority), func.max(t.jobs.c.rank)).where(*own)
        priority, rank = connection.execute(least).one()
        _put(connection, job_id, row.priority if priority is None else min(priority, row.priority), (rank or 0) + 1)
        said = "moved behind all others"
    elif to == "first":
        most = select(func.max(t.jobs.c.priority), func.min(t.jobs.c.rank)).where(*own)
        priority, rank = connection.execute(most).one()
        _put(connection, job_id, max(priority or 0, row.priority), (rank or 0) - 1)
        said = "moved before all others"
    else:
        other = lock_job(connection, to)
        _require_active(other.state, to)
        if other.owner != row.owner:
            raise ConflictError(
                f"job {to} is {other.owner}'s; the farm shares its time between owners, and each can order their own."
            )
        same = select(t.jobs.c.id).where(*own, t.jobs.c.priority == other.priority)
        before = {*connection.execute(same).scalars()}
        moved = [*(each for each in ahead if each in before and each != to), job_id]
        for number, each in enumerate(moved):
            _put(connection, each, other.priority, other.rank - len(moved) + number)
            if each != job_id:
                add_event(
                    connection, each, EventKind.JOB_CHANGED, f"stays before {row.name or job_id[:8]}, which moved"
                )
        said = f"moved before {other.name or to[:8]}"
    add_event(connection, job_id, EventKind.JOB_CHANGED, said)
    return load_job(connection, job_id)


def _put(connection: Connection, job_id: str, priority: int, rank: float) -> None:
    values = {"priority": priority, "rank": rank, "updated_at": now()}
    connection.execute(update(t.jobs).where(t.jobs.c.id == job_id).values(**values))


def _require_active(state: str, job_id: str) -> None:
    if JobState(state) not in ACTIVE:
        raise ConflictError(f"job {job_id} is {state}; only a job that has not ended has a place in the queue.")
