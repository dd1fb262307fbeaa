"""The task graph of a job: encode, sections, decodes, export."""

from collections.abc import Sequence
from functools import lru_cache

from model.plan import Layout, Plan, make_plan

from .records import Task, TaskKind, TaskState
from .request import RenderRequest


def plan_for(request: RenderRequest) -> Plan:
    """The plan of a request: the same in every process. Recent ones are kept.

    Raises:
        InputError: the request names an unknown family or order.
    """
    from model.families import describe

    info = describe(request.model_type)
    return _plan(
        info.layout, request.order, request.total_second_length, request.seed, request.prompt, info.fps, request.exact_length
    )


@lru_cache(maxsize=64)
def _plan(layout: Layout, order: str, seconds: float, seed: int, prompt: str, fps: int, exact_length: bool) -> Plan:
    return make_plan(
        layout=layout, order=order, seconds=seconds, seed=seed, prompt=prompt, fps=fps, exact_length=exact_length
    )


def tasks_for(job_id: str, plan: Plan, decode_overlap: int) -> list[Task]:
    """The tasks of a job, each after those it depends on only in name: sections stand in viewer order.

    ``dependencies`` are task names within the job; a task's id is ``<job id>.<name>``. Only ``encode`` is READY.

    Args:
        job_id: the job's id.
        plan: its plan.
        decode_overlap: latent frames before a chunk that its decoding reads.
    """

    def task(name: str, kind: TaskKind, dependencies: Sequence[str], section: int | None = None) -> Task:
        state = TaskState.WAITING if dependencies else TaskState.READY
        return Task(f"{job_id}.{name}", job_id, name, kind, section, tuple(dependencies), state)

    chunks_before = -(-decode_overlap // plan.layout.window)
    tasks = [task("encode", TaskKind.ENCODE, ())]
    for section in plan.sections:
        needs = ["encode", *map(section_name, section.predecessors)]
        tasks.append(task(section_name(section.index), TaskKind.SECTION, needs, section.index))
    for section in plan.sections:
        read = range(max(0, section.index - chunks_before), section.index + 1)
        tasks.append(task(decode_name(section.index), TaskKind.DECODE, [*map(section_name, read)], section.index))
    tasks.append(task("export", TaskKind.EXPORT, [decode_name(section.index) for section in plan.sections]))
    return tasks


def section_name(index: int) -> str:
    """Task name of a section: ``section-007``."""
    return f"section-{index:03d}"


def decode_name(index: int) -> str:
    """Task name of a chunk's decoding: ``decode-007``."""
    return f"decode-{index:03d}"
