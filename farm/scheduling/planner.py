"""The planner: which ready task goes to which idle replica.

Jobs go by priority, then age; inside a job the task with the longest remaining chain goes first, since it decides
when the video is done. What an older job can't use now goes to the next one, so no replica idles while work is ready.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class ReadyTask:
    """A task that could start now.

    ``priority``: of its job, higher first. ``submitted``: when its job came in, seconds of any clock.
    ``remaining``: cost of the longest chain from its start to the job's end. ``family``: the model it needs, or "".
    """

    id: str
    job_id: str
    priority: int
    submitted: float
    remaining: float
    family: str = ""


@dataclass(frozen=True)
class IdleReplica:
    """A replica without work. ``families``: the models it holds in memory. ``speed``: relative, higher is faster."""

    name: str
    families: frozenset[str] = frozenset()
    speed: float = 1.0


@dataclass(frozen=True)
class Assignment:
    """Start this task on this replica."""

    task_id: str
    replica: str


def assign(ready: Iterable[ReadyTask], idle: Iterable[IdleReplica]) -> list[Assignment]:
    """Match ready tasks with idle replicas, the most urgent first.

    Each task takes, of the replicas left, one that already holds its model, then the fastest. The result is the same
    for every order of the arguments. No task and no replica is named twice.
    """
    free = {replica.name: replica for replica in idle}
    chosen: list[Assignment] = []
    for task in heapq.nsmallest(len(free), {task.id: task for task in ready}.values(), key=_urgency):
        replica = min(free.values(), key=partial(_fit, task))
        del free[replica.name]
        chosen.append(Assignment(task.id, replica.name))
    return chosen


def _urgency(task: ReadyTask) -> tuple[int, float, str, float, str]:
    return (-task.priority, task.submitted, task.job_id, -task.remaining, task.id)


def _fit(task: ReadyTask, replica: IdleReplica) -> tuple[bool, float, str]:
    return (bool(task.family) and task.family not in replica.families, -replica.speed, replica.name)
