"""Results that equal tasks of other jobs have, and taking them over. Each function is one transaction."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from farm.errors import ConflictError
from farm.jobs.events import EventKind
from farm.jobs.names import maker_of, output_of, section_name
from farm.jobs.records import (
    RUNNABLE,
    Artifact,
    AttemptState,
    TaskState,
)

from . import rows
from . import tables as t
from .attempts import next_number, put_files
from .gate import choose, pass_gate
from .transitions import REUSED, add_event, complete_if_done, free_tasks, lock_job, touch_job

SECTION = section_name(0).rstrip("0")

_MINE, _THEIRS = t.tasks.alias(), t.tasks.alias()
_EQUAL = (
    select(
        _MINE.c.id.label("task_id"),
        _MINE.c.name.label("task"),
        _MINE.c.section,
        _MINE.c.remade,
        t.jobs.c.kept,
        _THEIRS.c.id.label("source"),
        _THEIRS.c.job_id.label("source_job"),
        _THEIRS.c.name.label("source_name"),
        _THEIRS.c.chosen,
        _THEIRS.c.state.label("source_state"),
        t.jobs.c.parent,
        t.attempts.c.device,
        t.attempts.c.device_class,
        t.attempts.c.facts,
    )
    .select_from(
        _MINE.join(_THEIRS, _THEIRS.c.key == _MINE.c.key)
        .join(t.attempts, t.attempts.c.task_id == _THEIRS.c.id)
        .join(t.jobs, t.jobs.c.id == _MINE.c.job_id)
    )
    .where(
        _MINE.c.job_id == bindparam("of_job"),
        (_MINE.c.state == TaskState.READY)
        | ((_MINE.c.state == TaskState.WAITING) & _MINE.c.name.in_(bindparam("waiting", expanding=True))),
        _MINE.c.key != "",
        t.jobs.c.state.in_(RUNNABLE),
        _THEIRS.c.id != _MINE.c.id,
        _THEIRS.c.state.in_((TaskState.DONE, TaskState.WAITING)),
        t.attempts.c.state == AttemptState.COMMITTED,
    )
    .order_by(t.attempts.c.finished_at.desc())
)
_EQUAL_ON = _EQUAL.where(t.attempts.c.device == bindparam("on_device"))
_RENDERED = exists(
    select(1).where(t.attempts.c.task_id == t.tasks.c.id, t.attempts.c.state == AttemptState.COMMITTED)
).correlate(t.tasks)
_MADE = select(t.tasks.c.key).where(
    t.tasks.c.key.in_(bindparam("of_keys", expanding=True)),
    (t.tasks.c.state == TaskState.DONE) | ((t.tasks.c.state == TaskState.WAITING) & _RENDERED),
)
"""Such a task that waits is a section that was rendered, and waits for its other takes."""
_FILES = select(t.artifacts).where(t.artifacts.c.job_id.in_(bindparam("of_jobs", expanding=True)))


@dataclass(frozen=True)
class Donor:
    """A finished task ``source`` (of the job ``source_job``) whose result the ready task ``task_id`` (called ``task``,
    of the job ``job_id``) can have; ``device``: the kind that it was made on; ``kept``: the job is a
    take, which has this section as it is; ``chosen``: of its section, None where that waits for others."""

    task_id: str
    task: str
    job_id: str
    source: str
    source_job: str
    device: str
    device_class: str
    kept: bool = False
    chosen: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    files: tuple[Artifact, ...] = ()


def made(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys that a finished task has."""
    return set(connection.execute(_MADE, {"of_keys": sorted(keys)}).scalars())


def donors(
    connection: Connection, job_id: str, device: str | None = None, waiting: Collection[str] = ()
) -> list[Donor]:
    """For the ready tasks of a job that may run, and those called ``waiting``, the newest finished tasks of the same
    keys, one for each."""
    found: dict[str, Any] = {}
    asked = {"of_job": job_id, "waiting": list(waiting)}
    query = _EQUAL if device is None else _EQUAL_ON
    rows_found = connection.execute(query, asked if device is None else {**asked, "on_device": device}).all()
    for row in sorted(rows_found, key=lambda row: _is_kept(row) and row.source_job != row.parent):
        if row.remade and not _is_kept(row):  # what was taken over may be what was damaged; a kept one has no other
            continue
        if _is_kept(row) and row.source_state != TaskState.DONE:  # it waits for its other takes, which may be better
            continue
        found.setdefault(row.task_id, row)
    files = _files(connection, {row.source_job for row in found.values()})
    return [
        Donor(
            row.task_id,
            row.task,
            job_id,
            row.source,
            row.source_job,
            row.device,
            row.device_class,
            _is_kept(row),
            row.chosen,
            dict(row.facts),
            tuple(files[row.source_job, row.source_name]),
        )
        for row in found.values()
        if output_of(row.source_name) in {file.name for file in files[row.source_job, row.source_name]}
    ]


def _is_kept(row: Any) -> bool:
    return row.task.startswith(SECTION) and row.section in row.kept


def _files(connection: Connection, job_ids: set[str]) -> dict[tuple[str, str], list[Artifact]]:
    found: dict[tuple[str, str], list[Artifact]] = defaultdict(list)
    for some in rows.batches(sorted(job_ids)):
        for row in connection.execute(_FILES, {"of_jobs": some}):
            if maker := maker_of(row.name):
                found[row.job_id, maker].append(rows.artifact(row))
    return found


def adopt(connection: Connection, attempt_id: str, donor: Donor, files: Sequence[Artifact]) -> None:
    """Finish a task with ``files``, the copies of what another job has; ConflictError when it has begun or ended."""
    job = lock_job(connection, donor.job_id)
    if job.state not in RUNNABLE:
        raise ConflictError(f"{donor.task} of job {donor.job_id} takes nothing over: the job is {job.state}.")
    taken = connection.execute(
        update(t.tasks)
        .where(t.tasks.c.id == donor.task_id, t.tasks.c.state.in_((TaskState.READY, TaskState.WAITING)))
        .values(state=TaskState.DONE, reason="")
    )
    if taken.rowcount != 1:
        raise ConflictError(f"{donor.task} of job {donor.job_id} takes nothing over: it has begun.")
    moment = rows.now()
    connection.execute(
        insert(t.attempts).values(
            id=attempt_id,
            job_id=donor.job_id,
            task_id=donor.task_id,
            number=next_number(connection, donor.task_id),
            replica=REUSED,
            state=AttemptState.COMMITTED,
            message="",
            step=0,
            steps=0,
            started_at=moment,
            finished_at=moment,
            device=donor.device,
            device_class=donor.device_class,
            facts={**donor.facts, "reused_from": donor.source_job},
        )
    )
    put_files(connection, donor.job_id, files)
    if donor.kept:
        choose(connection, donor.task_id, donor.chosen)
        ready = free_tasks(connection, donor.job_id, dependants_of=donor.task_id)
    else:
        ready = pass_gate(connection, job, donor.task_id, donor.facts, donor.chosen)
    text = f"{donor.task} taken over from job {donor.source_job}"
    data = {"task": donor.task, "attempt": attempt_id, "source": donor.source_job, "ready": ready}
    add_event(connection, donor.job_id, EventKind.TASK_REUSED, text, **data)
    if not complete_if_done(connection, donor.job_id):
        touch_job(connection, donor.job_id)
