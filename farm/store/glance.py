"""A glance at many jobs: has anything about them changed? One query, however many there are."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from farm.jobs.records import AttemptState

from . import tables as t
from .rows import batches


@dataclass(frozen=True)
class Glance:
    """Two equal ones: nothing has changed in between. ``event``: id of the last line of its history; ``steps`` done by
    attempts that run."""

    state: str
    updated_at: datetime
    event: int
    steps: int


def glance(connection: Connection, job_ids: Collection[str]) -> dict[str, Glance]:
    """See ``JobStore.glance``."""
    event = select(func.max(t.events.c.id)).where(t.events.c.job_id == t.jobs.c.id).scalar_subquery()
    running = (t.attempts.c.job_id == t.jobs.c.id) & (t.attempts.c.state == AttemptState.RUNNING)
    steps = select(func.sum(t.attempts.c.step)).where(running).scalar_subquery()
    query = select(t.jobs.c.id, t.jobs.c.state, t.jobs.c.updated_at, event.label("event"), steps.label("steps"))
    found = {}
    for some in batches(list(job_ids)):
        for row in connection.execute(query.where(t.jobs.c.id.in_(some))):
            found[row.id] = Glance(row.state, row.updated_at, row.event or 0, int(row.steps or 0))
    return found
