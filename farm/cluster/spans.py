"""When the tasks of a video became ready, began and ended, as their rows say; and what that tells of the farm itself.

When a task became ready is when the last of what it needs was committed; when it began and ended, its replica noted in
the facts. One machine, so one clock.
"""

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from farm.jobs.graph import critical_path
from farm.jobs.records import Attempt, AttemptState, Job, Task


@dataclass(frozen=True)
class Span:
    """One task's attempt, in seconds since 1970."""

    task: str
    replica: str
    ready: float
    began: float
    ended: float


@dataclass(frozen=True)
class Pace:
    """How fast a video was made by several replicas.

    ``wall``: seconds from submitting it to its end; ``ideal``: those of a list schedule of all its tasks that costs
    nothing; ``alone``: those on one such replica. ``bound``: the plan's upper bound of the speed-up, for sections only.
    """

    sections: int
    tasks: int
    wall: float
    ideal: float
    alone: float
    bound: float

    @property
    def speedup(self) -> float:
        """Over one such replica."""
        return self.alone / self.wall

    @property
    def share(self) -> float:
        """Of the speed-up that would be possible if the farm itself cost nothing."""
        return self.ideal / self.wall

    @property
    def of_bound(self) -> float:
        """The speed-up's share of its bound."""
        return self.speedup / self.bound


def list_schedule(tasks: Collection[Task], seconds: Mapping[str, float], replicas: int) -> float:
    """When all tasks are done if a free replica always takes, at once, the ready task with the longest chain."""
    chain = critical_path(list(tasks), seconds)
    missing = {task.name: len(task.dependencies) for task in tasks}
    dependants: dict[str, list[str]] = {task.name: [] for task in tasks}
    for task in tasks:
        for name in task.dependencies:
            dependants[name].append(task.name)
    ready = [(-chain[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < replicas:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], name))
        now, ended = heapq.heappop(running)
        for name in dependants[ended]:
            missing[name] -= 1
            if not missing[name]:
                heapq.heappush(ready, (-chain[name], name))
    return now


def spans_of(job: Job, tasks: Collection[Task], attempts: Collection[Attempt]) -> list[Span]:
    """The committed attempts, in the order in which they began."""
    names = {task.id: task.name for task in tasks}
    committed = {names[each.task_id]: each for each in attempts if each.state is AttemptState.COMMITTED}
    spans = []
    for task in tasks:
        attempt = committed[task.name]
        ready = max([job.created_at, *(_finished(committed[name]) for name in task.dependencies)])
        facts = attempt.facts
        spans.append(Span(task.name, attempt.replica, ready.timestamp(), facts["began"], facts["ended"]))
    return sorted(spans, key=lambda span: span.began)


def _finished(attempt: Attempt) -> datetime:
    assert attempt.finished_at is not None
    return attempt.finished_at


def latencies_of(spans: Sequence[Span], replicas: int) -> list[float]:
    """Milliseconds from ready to start of those tasks for which a replica was free all the while: more of them when
    they became ready than began something before them. Less than nothing for one that began while what made it ready
    was still being written."""
    found = []
    for span in spans:
        busy = sum(other.began <= span.ready < other.ended for other in spans if other is not span)
        taken = sum(span.ready < other.began < span.began for other in spans)
        if taken < replicas - busy:
            found.append(1000 * (span.began - span.ready))
    return found


def gaps_of(spans: Sequence[Span]) -> list[float]:
    """Milliseconds between two tasks of a replica, where the second was ready before the first ended."""
    lanes: dict[str, list[Span]] = {}
    for span in spans:
        lanes.setdefault(span.replica, []).append(span)
    return [
        1000 * (after.began - before.ended)
        for lane in lanes.values()
        for before, after in pairwise(lane)
        if after.ready <= before.ended
    ]
