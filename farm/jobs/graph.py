"""The task graph of a job: encode, sections, decodes, exports."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter

from model.decoding import Decoding, sections_read
from model.plan import Plan

from .names import ENCODE, decode_name, export_name, in_film, section_name
from .records import Task, TaskKind, TaskState

WORK = {TaskKind.ENCODE: 0.3, TaskKind.SECTION: 1.0, TaskKind.DECODE: 0.12, TaskKind.EXPORT: 0.04}
"""Of tasks, in sections; that of the export for each section. What devices really take is measured as they work."""


def tasks_for(
    job_id: str,
    plan: Plan,
    decoding: Decoding,
    section_work: float = 1.0,
    keys: Mapping[str, str] | None = None,
    exports: int = 1,
) -> list[Task]:
    """The tasks of a job: encode, sections in viewer order, decodes, exports.

    ``dependencies`` are task names within the job; a task's id is ``<job id>.<name>``. Only ``encode`` is READY.

    Args:
        job_id: the job's id.
        plan: its plan.
        decoding: which latents a chunk's decoding reads.
        section_work: seconds that a device of speed 1 would take for a section.
        keys: content addresses, by the names of tasks.
        exports: how many files its video becomes, each by a task of its own.
    """

    def task(name: str, kind: TaskKind, dependencies: Sequence[str], section: int | None = None) -> Task:
        state = TaskState.WAITING if dependencies else TaskState.READY
        key = (keys or {}).get(name, "")
        return Task(f"{job_id}.{name}", job_id, name, kind, section, tuple(dependencies), state, key=key)

    tasks = [task(ENCODE, TaskKind.ENCODE, ())]
    for section in plan.sections:
        needs = [ENCODE, *map(section_name, section.predecessors)]
        tasks.append(task(section_name(section.index), TaskKind.SECTION, needs, section.index))
    for section in plan.sections:
        read = sections_read(plan, decoding.chunk(plan, section.index).latents)
        needs = [ENCODE, *map(section_name, read)]
        tasks.append(task(decode_name(section.index), TaskKind.DECODE, needs, section.index))
    decoded = [decode_name(section.index) for section in plan.sections]
    tasks += [task(export_name(index), TaskKind.EXPORT, decoded) for index in range(exports)]
    return _weighed(tasks, len(plan.sections), section_work)


def film_tasks(job_id: str, shots: Sequence[Sequence[Task]], exports: int = 1) -> list[Task]:
    """The tasks of a film: those of its shots, which need nothing of each other, and exports of all of them.

    Args:
        job_id: the job's id.
        shots: the tasks of each shot by itself, without exports.
        exports: how many files the film becomes.
    """
    tasks, first = list[Task](), 0
    for number, shot in enumerate(shots):
        for task in shot:
            name = in_film(task.name, number, first)
            needs = tuple(in_film(needed, number, first) for needed in task.dependencies)
            section = None if task.section is None else first + task.section
            tasks.append(replace(task, id=f"{job_id}.{name}", name=name, section=section, dependencies=needs))
        first += sum(task.kind is TaskKind.SECTION for task in shot)
    decoded = tuple(task.name for task in tasks if task.kind is TaskKind.DECODE)
    work = {task.name: task.work for task in tasks}
    for index in range(exports):
        name = export_name(index)
        tasks.append(Task(f"{job_id}.{name}", job_id, name, TaskKind.EXPORT, None, decoded))
        work[name] = WORK[TaskKind.EXPORT] * sum(task.work for task in tasks if task.kind is TaskKind.SECTION)
    chain = critical_path(tasks, work)
    return [replace(task, work=work[task.name], chain=chain[task.name]) for task in tasks]


def _weighed(tasks: Sequence[Task], sections: int, section_work: float) -> list[Task]:
    times = {TaskKind.EXPORT: sections}
    work = {task.name: section_work * WORK[task.kind] * times.get(task.kind, 1) for task in tasks}
    chain = critical_path(tasks, work)
    return [replace(task, work=work[task.name], chain=chain[task.name]) for task in tasks]


def critical_path(tasks: Sequence[Task], work: Mapping[str, float]) -> dict[str, float]:
    """Per task name, the work of the longest chain from its start to the job's end, its own included."""
    dependants: dict[str, list[str]] = {task.name: [] for task in tasks}
    for task in tasks:
        for dependency in task.dependencies:
            dependants[dependency].append(task.name)
    order = TopologicalSorter(dependants).static_order()
    remaining: dict[str, float] = {}
    for name in order:
        after = max((remaining[dependant] for dependant in dependants[name]), default=0.0)
        remaining[name] = after + work[name]
    return remaining
