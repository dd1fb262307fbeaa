"""Making again what was committed and then damaged or lost: the task that made it runs once more, and who waits, waits.

Each function is one transaction. What depends on the file and is done already stays done: its own result is whole.
"""

from sqlalchemy import Connection, select, update

from farm.jobs.events import EventKind
from farm.jobs.names import CONDITIONING, maker_of, output_of
from farm.jobs.records import AttemptState, FailureKind, JobState, TaskKind, TaskState

from . import tables as t
from .attempts import fail_attempt
from .rows import AnyRow
from .transitions import add_event, free_tasks, lock_job, set_job_state, touch_job, undone_dependency

MOST_REMADE = 3
"""How often a task is run again for that; a store that loses one file after the other is not to be fed for ever."""


def remake(connection: Connection, job_id: str, artifact: str, why: str) -> bool:
    """See to it that ``artifact`` is made again; False when nobody can make it, or it was made too often already."""
    return _remake(connection, lock_job(connection, job_id), artifact, why)


def fail_for_damage(connection: Connection, attempt_id: str, artifact: str, message: str) -> bool:
    """End an attempt that met a damaged input, and have that made again; False as in ``remake``.

    An attempt that is not current any more changes nothing.
    """
    job_id = connection.execute(select(t.attempts.c.job_id).where(t.attempts.c.id == attempt_id)).scalar()
    if job_id is None:
        return True
    job = lock_job(connection, job_id)
    if not fail_attempt(connection, attempt_id, FailureKind.DAMAGED, message):
        return True
    return _remake(connection, job, artifact, message)


def _remake(connection: Connection, job: AnyRow, artifact: str, why: str) -> bool:
    maker = maker_of(artifact)
    query = select(t.tasks).where(t.tasks.c.job_id == job.id, t.tasks.c.name == maker)
    task = connection.execute(query).first() if maker else None
    if task is None:
        return False
    if task.state != TaskState.DONE:
        return True  # it is on its way already
    if task.remade >= MOST_REMADE:
        return False
    connection.execute(
        update(t.tasks)
        .where(t.tasks.c.id == task.id)
        .values(state=TaskState.WAITING, remade=t.tasks.c.remade + 1, failures=0, reason=why)
    )
    connection.execute(
        update(t.attempts)
        .where(t.attempts.c.task_id == task.id, t.attempts.c.state == AttemptState.COMMITTED)
        .values(state=AttemptState.SUPERSEDED)
    )
    connection.execute(
        update(t.tasks)
        .where(t.tasks.c.job_id == job.id, t.tasks.c.state == TaskState.READY, undone_dependency())
        .values(state=TaskState.WAITING)
    )
    if job.state == JobState.COMPLETED:
        set_job_state(connection, job.id, JobState.RUNNING)
    else:
        touch_job(connection, job.id)
    _remake_inputs(connection, job, task.id)
    free_tasks(connection, job.id)
    text = f"{artifact} is damaged or gone; {task.name} runs again"
    add_event(connection, job.id, EventKind.ARTIFACT_DAMAGED, text, artifact=artifact, task=task.name, reason=why)
    return True


def _remake_inputs(connection: Connection, job: AnyRow, task_id: str) -> None:
    """What the task reads may have been removed since, as decoded chunks are after the export: that is made, too."""
    removed = select(1).where(t.events.c.job_id == job.id, t.events.c.kind == EventKind.FILES_REMOVED).limit(1)
    if connection.execute(removed).first() is None:
        return
    needed = select(t.tasks.c.name).join(t.dependencies, t.dependencies.c.needs_id == t.tasks.c.id)
    makers = connection.execute(needed.where(t.dependencies.c.task_id == task_id)).scalars()
    names = [output_of(name) for name in makers]
    kind = connection.execute(select(t.tasks.c.kind).where(t.tasks.c.id == task_id)).scalar()
    if kind == TaskKind.DECODE and not any(name.startswith(CONDITIONING) for name in names):
        names.append(CONDITIONING)  # the graph of an early version
    there = set(connection.execute(select(t.artifacts.c.name).where(t.artifacts.c.job_id == job.id)).scalars())
    for name in names:
        if name not in there:
            _remake(connection, job, name, "it was removed after the export")
