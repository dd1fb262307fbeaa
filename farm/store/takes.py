"""The takes of a video: jobs that keep sections of one another, as a tree."""

from sqlalchemy import Connection, select

from farm.jobs.records import Job

from . import rows
from . import tables as t

MOST = 200
"""Takes that are read of a video, the oldest."""


def family(connection: Connection, job_id: str) -> list[Job]:
    """See ``JobStore.family``."""
    up = select(t.jobs.c.id, t.jobs.c.parent).where(t.jobs.c.id == job_id).cte("up", recursive=True)
    up = up.union(select(t.jobs.c.id, t.jobs.c.parent).join(up, t.jobs.c.id == up.c.parent))
    there = select(up.c.id)
    first = select(up.c.id).where(up.c.parent.not_in(there))
    down = select(t.jobs.c.id).where(t.jobs.c.id.in_(first)).cte("down", recursive=True)
    down = down.union(select(t.jobs.c.id).join(down, t.jobs.c.parent == down.c.id))
    query = select(t.jobs).where(t.jobs.c.id.in_(select(down.c.id))).order_by(t.jobs.c.created_at, t.jobs.c.id)
    return rows.load_jobs(connection, query.limit(MOST))
