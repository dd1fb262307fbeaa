"""Jobs' files by use, and forgetting those that are to go. Each function is one transaction."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, select

from farm.errors import ConflictError
from farm.jobs.events import EventKind
from farm.jobs.names import use_of
from farm.jobs.records import (
    ACTIVE,
    JobState,
)

from . import tables as t
from .transitions import add_event, lock_job


@dataclass(frozen=True)
class FilesOfJob:
    """Bytes by use (see ``jobs.names.use_of``); ``finished``: when it was completed, seconds since 1970, None for any
    other job; ``needed``: a take of it has not ended."""

    job_id: str
    finished: float | None
    sizes: dict[str, int]
    needed: bool


def files_by_use(connection: Connection, job_ids: Collection[str] | None = None) -> list[FilesOfJob]:
    """Of all jobs that have files, or of some."""
    take = t.jobs.alias()
    needed = exists(select(1).where(take.c.parent == t.jobs.c.id, take.c.state.in_(ACTIVE)))
    jobs = select(t.jobs.c.id, t.jobs.c.state, t.jobs.c.finished_at, needed.label("needed"))
    files = select(t.artifacts.c.job_id, t.artifacts.c.name, t.artifacts.c.size)
    if job_ids is not None:
        jobs, files = jobs.where(t.jobs.c.id.in_(job_ids)), files.where(t.artifacts.c.job_id.in_(job_ids))
    sizes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(files):
        sizes[row.job_id][use_of(row.name)] += row.size
    return [
        FilesOfJob(
            row.id,
            row.finished_at.timestamp() if row.state == JobState.COMPLETED and row.finished_at else None,
            dict(sizes[row.id]),
            bool(row.needed),
        )
        for row in connection.execute(jobs)
        if row.id in sizes
    ]


def forget_files(connection: Connection, job_id: str, uses: Collection[str]) -> list[str]:
    """Remove the rows of a completed job's files of these uses; returns their keys, for the caller to remove them.

    Raises:
        ConflictError: it is not completed any more.
    """
    job = lock_job(connection, job_id)
    if job.state != JobState.COMPLETED:
        raise ConflictError(f"job {job_id} is {job.state}; only a completed job can do without files.")
    mine = t.artifacts.c.job_id == job_id
    found = [
        row
        for row in connection.execute(select(t.artifacts.c.name, t.artifacts.c.key).where(mine))
        if use_of(row.name) in uses
    ]
    if found:
        names = [row.name for row in found]
        connection.execute(delete(t.artifacts).where(mine, t.artifacts.c.name.in_(names)))
        add_event(
            connection, job_id, EventKind.FILES_REMOVED, f"{len(names)} files of {', '.join(sorted(uses))} removed"
        )
    return [row.key for row in found]
