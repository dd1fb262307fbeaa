"""The gate in rows: what becomes of a section once its verdict is known.

It runs in the very transaction that takes a result over, so nothing is acted on that is not written, and a process that
dies at any moment leaves either all of it or nothing. What follows depends on rows alone: the verdicts in the facts of
attempts, and what the request says. No clock, no device and no order of arrival has a say.

A section that is outside its limits, in a job whose gate is ``retake``, waits for its other takes, which are tasks of
their own with the same inputs, ready at once. With the last of them the best is chosen: its files become the section's,
and whoever waits for the section goes on.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from farm.jobs.events import EventKind
from farm.jobs.gate import GATE, Judged, outside, settled_text
from farm.jobs.keys import take_key
from farm.jobs.names import latents_name, of_take, preview_name, section_name, take_of, take_pattern
from farm.jobs.records import RUNNABLE, AttemptState, JobState, TaskState
from farm.jobs.request import RenderRequest
from farm.jobs.shots import shot_of, shots_from_json
from farm.jobs.stored import StoredRequest
from model.quality.gate import best_take

from . import rows
from . import tables as t
from .transitions import REUSED, add_event, free_tasks, set_job_state


def pass_gate(
    connection: Connection, job: rows.AnyRow, task_id: str, facts: Mapping[str, Any], chosen: int | None = None
) -> list[str]:
    """After the task's result was taken over: the names of the tasks that are ready now.

    Args:
        connection: of the transaction.
        job: locked.
        task_id: whose state is ``done`` by now.
        facts: of the attempt; a section that was judged has a verdict there.
        chosen: which take the result is, where another job has chosen among the same ones.
    """
    if GATE not in facts:
        return free_tasks(connection, job.id, dependants_of=task_id)
    task = connection.execute(select(t.tasks).where(t.tasks.c.id == task_id)).one()
    request = _request_of(job, task.section)
    if take_of(task.name):
        return _settle_if_done(connection, job.id, task.section)
    retakes = request.retakes if request.quality_gate == "retake" else 0
    if task.chosen is None:
        judged = Judged.of_json(facts[GATE])
        settled = chosen is not None and retakes
        if judged.wrong and not settled:
            _tell(connection, job, request, task.section, judged)
            if retakes:
                return _begin_takes(connection, job.id, task, retakes)
        choose(connection, task_id, judged.take)
    return free_tasks(connection, job.id, dependants_of=task_id)


def _request_of(job: rows.AnyRow, section: int) -> RenderRequest:
    """The job's, or in a film that of the section's shot."""
    shots = shots_from_json(job.shots)
    stored = shots[shot_of(shots, section)].stored if shots else StoredRequest(job.request, job.request_version)
    return stored.request


def choose(connection: Connection, task_id: str, take: int | None) -> None:
    """Note which take a section is."""
    connection.execute(update(t.tasks).where(t.tasks.c.id == task_id).values(chosen=take))


def _tell(connection: Connection, job: rows.AnyRow, request: RenderRequest, section: int, judged: Judged) -> None:
    text = outside(section, judged)
    data = {"section": section, "gate": request.quality_gate, **judged.to_json()}
    add_event(connection, job.id, EventKind.SECTION_OUTSIDE, text, **data)
    if request.quality_gate == "stop" and job.state in RUNNABLE:
        set_job_state(connection, job.id, JobState.PAUSED)
        hint = f"paused: {text}. Resume to go on with it, or render it again with other settings."
        add_event(connection, job.id, EventKind.JOB_BLOCKED, hint, section=section)


def _begin_takes(connection: Connection, job_id: str, task: rows.AnyRow, count: int) -> list[str]:
    """Put the section's other takes beside it; it waits for them, and they need what it needed."""
    needs = t.dependencies.c
    needed = connection.execute(select(needs.needs_id).where(needs.task_id == task.id)).scalars().all()
    last = connection.execute(select(func.max(t.tasks.c.position)).where(t.tasks.c.job_id == job_id)).scalar_one()
    takes = [
        {
            **task._asdict(),
            "id": f"{job_id}.{section_name(task.section, take)}",
            "name": section_name(task.section, take),
            "position": last + take,
            "state": TaskState.READY,
            "key": take_key(task.key, take),
            "failures": 0,
            "remade": 0,
            "reason": "",
            "not_before": None,
        }
        for take in range(1, count + 1)
    ]
    connection.execute(insert(t.tasks), takes)
    edges = [{"task_id": take["id"], "needs_id": id} for take in takes for id in needed]
    edges += [{"task_id": task.id, "needs_id": take["id"]} for take in takes]
    connection.execute(insert(t.dependencies), edges)
    connection.execute(update(t.tasks).where(t.tasks.c.id == task.id).values(state=TaskState.WAITING))
    return [take["name"] for take in takes]


def _settle_if_done(connection: Connection, job_id: str, section: int) -> list[str]:
    """With the last of a section's takes: choose the best."""
    mine = (t.tasks.c.job_id == job_id) & (t.tasks.c.section == section)
    takes = connection.execute(select(t.tasks).where(mine, t.tasks.c.name.like(take_pattern(section)))).all()
    if any(take.state != TaskState.DONE for take in takes):
        return []
    first = connection.execute(select(t.tasks).where(mine, t.tasks.c.name == section_name(section))).one()
    if first.chosen is not None:
        return []
    made = {take_of(task.name): _attempt_of(connection, task.id) for task in (first, *takes)}
    judged = {take: Judged.of_json(attempt.facts[GATE]) for take, attempt in made.items()}
    chosen = best_take({take: one.score for take, one in judged.items()})
    if chosen:
        _take_over(connection, job_id, first, chosen, made[chosen])
    connection.execute(
        delete(t.dependencies).where(
            t.dependencies.c.task_id == first.id, t.dependencies.c.needs_id.in_([take.id for take in takes])
        )
    )
    connection.execute(update(t.tasks).where(t.tasks.c.id == first.id).values(state=TaskState.DONE, chosen=chosen))
    text = settled_text(section, chosen, judged)
    scores = {str(take): one.score for take, one in judged.items()}
    add_event(connection, job_id, EventKind.SECTION_SETTLED, text, section=section, take=chosen, scores=scores)
    return free_tasks(connection, job_id, dependants_of=first.id)


def _attempt_of(connection: Connection, task_id: str) -> rows.AnyRow:
    """The one by which a finished task has its result."""
    query = select(t.attempts).where(t.attempts.c.task_id == task_id, t.attempts.c.state == AttemptState.COMMITTED)
    return connection.execute(query.order_by(t.attempts.c.number.desc()).limit(1)).one()


def _take_over(connection: Connection, job_id: str, first: rows.AnyRow, take: int, made: rows.AnyRow) -> None:
    """The files of a take become the section's; those of its first take are called as a take's are."""
    files = t.artifacts
    mine = files.c.job_id == job_id
    for name in (latents_name(first.section), preview_name(first.section)):
        best = connection.execute(select(files).where(mine, files.c.name == of_take(name, take))).first()
        renamed = update(files).where(mine, files.c.name == name)
        if best is None:  # a preview could not be written
            connection.execute(renamed.values(name=of_take(name, 0)))
            continue
        connection.execute(renamed.values(name=of_take(name, 0)))
        connection.execute(insert(files).values({**best._asdict(), "name": name}))
    connection.execute(
        update(t.attempts)
        .where(t.attempts.c.task_id == first.id, t.attempts.c.state == AttemptState.COMMITTED)
        .values(state=AttemptState.SUPERSEDED)
    )
    moment = rows.now()
    number = select(func.max(t.attempts.c.number)).where(t.attempts.c.task_id == first.id)
    values = {
        **made._asdict(),
        "id": f"{made.id}-chosen",
        "task_id": first.id,
        "number": connection.execute(number).scalar_one() + 1,
        "replica": REUSED,
        "started_at": moment,
        "finished_at": moment,
    }
    connection.execute(insert(t.attempts).values(values))
