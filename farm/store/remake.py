"""Making again what was committed and then damaged or lost: the task that made it runs once more, and who waits, waits.

Each function is one transaction. What depends on the file and is done already stays done: its own result is whole.
"""

from sqlalchemy import Connection, select, update

from farm.jobs.names import maker_of
from farm.jobs.records import AttemptState, FailureKind, JobState, TaskState

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
    free_tasks(connection, job.id)
    text = f"{artifact} is damaged or gone; {task.name} runs again"
    add_event(connection, job.id, "artifact_damaged", text, artifact=artifact, task=task.name, reason=why)
    return True
