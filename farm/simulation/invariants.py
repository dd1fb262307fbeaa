"""What must hold when a simulation is over, whatever went wrong in it."""

from collections import Counter, defaultdict
from itertools import pairwise

from .farm import Farm, Span
from .workload import Workload

PATIENCE = 3.0
"""No task may wait for longer than this many times the time in which the whole farm could do the whole workload."""

GRACE_SECONDS = 1800.0


def broken(farm: Farm, workload: Workload, bound: float) -> list[str]:
    """What does not hold, one line each; ``bound``: seconds that the workload takes at least."""
    return [
        *_lost(farm, workload),
        *_twice(farm),
        *_orphans(farm),
        *_overlaps(farm.history.spans),
        *_starved(farm, bound),
    ]


def _lost(farm: Farm, workload: Workload) -> list[str]:
    done = set(farm.history.done)
    missing = [f"{job.id}.{task.name}" for job in workload.jobs for task in job.tasks]
    missing = [name for name in missing if name not in done]
    return [f"{len(missing)} tasks were never done, such as {missing[0]}"] if missing else []


def _twice(farm: Farm) -> list[str]:
    return [f"task {name} was done {count} times" for name, count in Counter(farm.history.done).items() if count > 1]


def _orphans(farm: Farm) -> list[str]:
    view = farm.view
    held = [seat.id for seat in view.seats.values() if seat.running or seat.ahead]
    found = [f"seat {name} holds something although all is done" for name in held]
    found += [f"task {name} is still ready" for name in view.tasks]
    return found + [f"job {name} is still there" for name in view.jobs]


def _overlaps(spans: list[Span]) -> list[str]:
    by_seat: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_seat[span.seat_id].append(span)
    found = []
    for seat_id, own in by_seat.items():
        own.sort(key=lambda span: (span.start, span.end))
        pairs = pairwise(own)
        found += [f"seat {seat_id} did {a.task_id} and {b.task_id} at a time" for a, b in pairs if b.start < a.end]
    return found


def _starved(farm: Farm, bound: float) -> list[str]:
    most = PATIENCE * bound + GRACE_SECONDS
    waited = farm.history.waited
    return [f"a task waited for {waited:.0f} s, more than {most:.0f} s"] if waited > most else []
