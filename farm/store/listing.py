"""Lists of jobs: filtered, sorted and in pages, without reading more than a page of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from farm.jobs.listing import JobFilter, JobSort
from farm.jobs.records import ENDED, Job, JobState

from . import rows
from . import tables as t

_SORTED: dict[JobSort, ColumnElement[Any]] = {
    JobSort.CREATED: t.jobs.c.created_at,
    JobSort.FINISHED: t.jobs.c.finished_at,
    JobSort.PRIORITY: t.jobs.c.priority,
    JobSort.NAME: func.lower(t.jobs.c.name),
    JobSort.OWNER: func.lower(t.jobs.c.owner),
    JobSort.STATE: t.jobs.c.state,
}
_AFTER_THE_QUEUE = {JobState.PAUSED: 1, **dict.fromkeys(ENDED, 2)}


def list_jobs(
    connection: Connection, wanted: JobFilter, sort: JobSort, descending: bool, limit: int, offset: int
) -> tuple[list[Job], int]:
    """A page of the jobs, and how many there are. Not for ``JobSort.PLACE``, see ``job_ids``."""
    where = _where(wanted)
    total = connection.execute(select(func.count()).select_from(t.jobs).where(*where)).scalar_one()
    column = _SORTED[sort]
    order = (column.desc().nulls_last(), t.jobs.c.id) if descending else (column.asc().nulls_last(), t.jobs.c.id)
    return rows.load_jobs(connection, select(t.jobs).where(*where).order_by(*order).limit(limit).offset(offset)), total


def job_ids(connection: Connection, wanted: JobFilter) -> list[tuple[str, JobState]]:
    """All of them with their states, the newest first."""
    query = select(t.jobs.c.id, t.jobs.c.state).where(*_where(wanted)).order_by(t.jobs.c.created_at.desc(), t.jobs.c.id)
    return [(row.id, JobState(row.state)) for row in connection.execute(query)]


def jobs_of(connection: Connection, ids: Sequence[str]) -> list[Job]:
    """These jobs, in this order; those that are gone are left out."""
    found: dict[str, Job] = {}
    for some in rows.batches(ids):
        found |= {job.id: job for job in rows.load_jobs(connection, select(t.jobs).where(t.jobs.c.id.in_(some)))}
    return [found[job_id] for job_id in ids if job_id in found]


def in_queue(found: Sequence[tuple[str, JobState]], places: Mapping[str, int]) -> list[str]:
    """Ids in the order of ``JobSort.PLACE``, of jobs found the newest first; ``places``: of those that may run, but for
    those that were just queued, which come last."""
    last = len(places) + 1

    def place(at: int) -> tuple[int, int, int]:
        job_id, state = found[at]
        after = _AFTER_THE_QUEUE.get(state, 0)
        return after, places.get(job_id, last), at if after else -at

    return [found[at][0] for at in sorted(range(len(found)), key=place)]


def _where(wanted: JobFilter) -> list[ColumnElement[bool]]:
    job = t.jobs.c
    where: list[ColumnElement[bool]] = []
    if wanted.states:
        where.append(job.state.in_(wanted.states))
    for column, value in (
        (job.owner, wanted.owner),
        (job.family, wanted.family),
        (job.preset, wanted.preset),
        (job.parent, wanted.parent),
        (job.batch, wanted.batch),
    ):
        if value is not None:
            where.append(column == value)
    if wanted.begins:
        where.append(job.id.startswith(wanted.begins, autoescape=True))
    if wanted.text:
        where.append((job.id + "\n" + job.name + "\n" + job.prompt).icontains(wanted.text, autoescape=True))
    if wanted.since is not None:
        where.append(job.created_at >= wanted.since)
    if wanted.until is not None:
        where.append(job.created_at < wanted.until)
    return where
