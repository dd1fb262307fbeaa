"""Executions of tasks: start, progress, commit, fail. Each function is one transaction.

The fence: every message of an execution carries its attempt id, and only the task's current attempt is listened to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, case, delete, func, insert, select, update

from farm.errors import ConflictError, NotFoundError, StaleAttemptError
from farm.jobs.events import EventKind
from farm.jobs.records import (
    HOPELESS,
    RUNNABLE,
    Artifact,
    Attempt,
    AttemptState,
    FailureKind,
    JobState,
    TaskState,
)

from . import rows
from . import tables as t
from .gate import pass_gate
from .transitions import (
    add_event,
    complete_if_done,
    end_attempt,
    end_tasks,
    lock_job,
    set_job_state,
    touch_job,
)

MAX_TASK_FAILURES = 3
"""How many attempts of a task may fail by the task's own fault before the job fails."""
FREE_LOSSES = 5
"""How often a task may lose its replica before that counts as the task's own failure."""

_UNFINISHED = (FailureKind.INTERRUPTION, FailureKind.LOST, FailureKind.NEVER_STARTED, FailureKind.DAMAGED)


@dataclass(frozen=True)
class Reached:
    """How far an attempt is: at ``step`` of ``steps``, none before the first; ``began``: when its replica took it up,
    None where that is noted already."""

    attempt_id: str
    step: int
    steps: int
    began: datetime | None = None


@dataclass(frozen=True)
class Result:
    """What an attempt made: ``artifacts``, whose files are published, ``facts`` on how, and the last that it
    ``reached`` if that is not noted yet."""

    attempt_id: str
    artifacts: Sequence[Artifact]
    facts: Mapping[str, Any]
    reached: Reached | None = None


_OF_TASK = t.tasks.c.id == bindparam("of_task")
_OF_ATTEMPT = t.attempts.c.id == bindparam("attempt")
_TASK = select(t.tasks).where(_OF_TASK)
_ATTEMPT = select(t.attempts).where(_OF_ATTEMPT)
_JOB_OF = select(t.attempts.c.job_id).where(_OF_ATTEMPT)
_TAKE = update(t.tasks).where(_OF_TASK, t.tasks.c.state == TaskState.READY).values(state=TaskState.RUNNING, reason="")
_DONE = update(t.tasks).where(_OF_TASK, t.tasks.c.state == TaskState.RUNNING).values(state=TaskState.DONE, reason="")
_LAST = select(func.max(t.attempts.c.number)).where(t.attempts.c.task_id == bindparam("of_task"))
_START = insert(t.attempts)
_REACHED = bindparam("reached", type_=Integer)
_PROGRESS = (
    update(t.attempts)
    .where(_OF_ATTEMPT, t.attempts.c.state == AttemptState.RUNNING)
    .values(step=case((t.attempts.c.step > _REACHED, t.attempts.c.step), else_=_REACHED))
)
_REPLACED = delete(t.artifacts).where(
    t.artifacts.c.job_id == bindparam("of_job"), t.artifacts.c.name == bindparam("called")
)
_FILE = insert(t.artifacts)
_ATTEMPT_AND_TASK = (
    select(
        t.attempts.c.task_id,
        t.attempts.c.number,
        t.attempts.c.replica,
        t.attempts.c.state,
        t.tasks.c.name.label("task_name"),
        t.tasks.c.state.label("task_state"),
        t.tasks.c.failures,
    )
    .join(t.tasks, t.tasks.c.id == t.attempts.c.task_id)
    .where(_OF_ATTEMPT)
)


def start_attempt(connection: Connection, attempt_id: str, task_id: str, replica: str, device: str = "") -> Attempt:
    """Give a ready task to a replica."""
    task = connection.execute(_TASK, {"of_task": task_id}).first()
    if task is None:
        raise NotFoundError(f"there is no task {task_id!r}.")
    job_id = task.job_id
    job = lock_job(connection, job_id)
    again = connection.execute(_ATTEMPT, {"attempt": attempt_id}).first()
    if again is not None:  # the first run of this transaction did commit, only its answer was lost
        return rows.attempt(again)
    if job.state not in RUNNABLE:
        raise ConflictError(f"{task.name} of job {job_id} can't start: the job is {job.state}.")
    if connection.execute(_TAKE, {"of_task": task_id}).rowcount != 1:
        state = connection.execute(_TASK, {"of_task": task_id}).one().state
        raise ConflictError(f"{task.name} of job {job_id} can't start: it is {state}, not ready.")
    moment, number = rows.now(), next_number(connection, task_id)
    begun = {"started_at": moment, "step": 0, "steps": 0, "message": "", "state": AttemptState.RUNNING}
    told = {"task_id": task_id, "job_id": job_id, "number": number, "replica": replica, "device": device}
    connection.execute(_START, {"id": attempt_id, **told, **begun})
    if job.state == JobState.PENDING:
        set_job_state(connection, job_id, JobState.RUNNING, started_at=job.started_at or moment)
        add_event(connection, job_id, EventKind.JOB_STARTED, "started")
    else:
        touch_job(connection, job_id)
    message = f"{task.name} started on {replica}" + (f" (attempt {number})" if number > 1 else "")
    add_event(
        connection,
        job_id,
        EventKind.ATTEMPT_STARTED,
        message,
        task=task.name,
        attempt=attempt_id,
        number=number,
        replica=replica,
    )
    return Attempt(attempt_id, task_id, job_id, number, replica, AttemptState.RUNNING, moment)


def report_progress(connection: Connection, reached: Reached) -> bool:
    """Note what an attempt has reached; False when it is not current. Steps never go back when reports overtake."""
    noted = connection.execute(
        _PROGRESS, {"attempt": reached.attempt_id, "reached": reached.step, **_values_of(reached)}
    )
    return noted.rowcount == 1


def _values_of(reached: Reached) -> dict[str, Any]:
    """Of columns, but for the step."""
    begun: dict[str, Any] = {"started_at": reached.began} if reached.began else {}
    return begun | ({"steps": reached.steps} if reached.steps else {})


def commit_attempt(connection: Connection, result: Result) -> list[str]:
    """Take over an attempt's result: artifacts, task done, dependants ready, after the last task the job completed."""
    attempt_id, facts, reached = result.attempt_id, result.facts, result.reached
    job_id = _job_of(connection, attempt_id)
    if job_id is None:
        raise StaleAttemptError(f"attempt {attempt_id} is unknown, its job was deleted; nothing was written.")
    job = lock_job(connection, job_id)
    row = _attempt_and_task(connection, attempt_id)
    if row.state == AttemptState.COMMITTED:
        return []
    made: dict[str, Any] = {"facts": dict(facts), "device_class": str(facts.get("device_class", ""))} if facts else {}
    if reached is not None:
        made |= {"step": reached.step, **_values_of(reached)}
    if not end_attempt(connection, attempt_id, AttemptState.COMMITTED, more=made):
        raise StaleAttemptError(
            f"attempt {row.number} of {row.task_name} (job {job_id}) is {row.state}, "
            "no longer current; nothing was written."
        )
    if connection.execute(_DONE, {"of_task": row.task_id}).rowcount != 1:
        raise StaleAttemptError(
            f"{row.task_name} of job {job_id} is {row.task_state}, not running; nothing was written."
        )
    put_files(connection, job_id, result.artifacts)
    ready = pass_gate(connection, job, row.task_id, facts)
    add_event(
        connection,
        job_id,
        EventKind.ATTEMPT_COMMITTED,
        f"{row.task_name} done",
        task=row.task_name,
        attempt=attempt_id,
        replica=row.replica,
        artifacts=[artifact.name for artifact in result.artifacts],
        ready=ready,
    )
    if not complete_if_done(connection, job_id):
        touch_job(connection, job_id)
    return ready


def next_number(connection: Connection, task_id: str) -> int:
    """Of a new attempt at a task."""
    return (connection.execute(_LAST, {"of_task": task_id}).scalar() or 0) + 1


def put_files(connection: Connection, job_id: str, files: Iterable[Artifact]) -> None:
    """Note committed files; they take the place of those of the same names."""
    for file in files:
        connection.execute(_REPLACED, {"of_job": job_id, "called": file.name})
        connection.execute(_FILE, {"job_id": job_id, **vars(file)})


@dataclass(frozen=True)
class Judgement:
    """What becomes of a task after a failure. ``charges``: failures that count against it by now; ``fails``: how often
    it did, such as ``" 3 times"``, if that ends its job; ``not_before``: when it may be tried again."""

    charges: int
    fails: str | None = None
    not_before: datetime | None = None


def fail_attempt(
    connection: Connection, attempt_id: str, kind: FailureKind, message: str, judgement: Judgement | None = None
) -> bool:
    """End an attempt without a result; False when it is not current any more, and nothing was done."""
    job_id = _job_of(connection, attempt_id)
    if job_id is None:
        return False
    lock_job(connection, job_id)
    row = _attempt_and_task(connection, attempt_id)
    state = AttemptState.INTERRUPTED if kind in _UNFINISHED else AttemptState.FAILED
    if not end_attempt(connection, attempt_id, state, kind, message):
        return False
    judgement = judgement or _judge(connection, row, kind)
    failures, spent = judgement.charges, judgement.fails is not None
    connection.execute(
        update(t.tasks)
        .where(t.tasks.c.id == row.task_id, t.tasks.c.state == TaskState.RUNNING)
        .values(
            state=TaskState.FAILED if spent else TaskState.READY,
            failures=failures,
            reason=message,
            not_before=judgement.not_before,
        )
    )
    add_event(
        connection,
        job_id,
        EventKind(f"attempt_{state.value}"),
        f"{row.task_name}: {message}",
        task=row.task_name,
        attempt=attempt_id,
        replica=row.replica,
        failure=kind.value,
        failures=failures,
    )
    if spent:
        error = f"{row.task_name} failed{judgement.fails}: {message}"
        end_tasks(connection, job_id, f"the job failed at {row.task_name}")
        set_job_state(connection, job_id, JobState.FAILED, error=error)
        add_event(connection, job_id, EventKind.JOB_FAILED, error, task=row.task_name)
    else:
        touch_job(connection, job_id)
    return True


def _judge(connection: Connection, row: rows.AnyRow, kind: FailureKind) -> Judgement:
    """The rules for a farm of one replica, on which nothing can be tried elsewhere."""
    if kind in HOPELESS:
        return Judgement(MAX_TASK_FAILURES, "")
    charged = kind is FailureKind.TASK or (kind is FailureKind.LOST and _losses(connection, row.task_id) > FREE_LOSSES)
    failures = row.failures + charged
    return Judgement(failures, f" {failures} times" if failures >= MAX_TASK_FAILURES else None)


def _losses(connection: Connection, task_id: str) -> int:
    """How often the task lost its replica since it was last told to start afresh."""
    lost = select(func.count()).where(t.attempts.c.task_id == task_id, t.attempts.c.failure == FailureKind.LOST)
    return int(connection.execute(lost).scalar_one())


def _job_of(connection: Connection, attempt_id: str) -> str | None:
    return connection.execute(_JOB_OF, {"attempt": attempt_id}).scalar()


def _attempt_and_task(connection: Connection, attempt_id: str) -> rows.AnyRow:
    return connection.execute(_ATTEMPT_AND_TASK, {"attempt": attempt_id}).one()
