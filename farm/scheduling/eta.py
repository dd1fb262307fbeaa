"""When a job will be done: no sooner than its longest chain takes on the best seats, nor than the farm gets to it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from farm.jobs.records import TaskKind

from .costs import RangedCosts
from .lanes import Lane
from .reasons import queue
from .view import FarmView, Group, JobView, Needs, SeatState, TaskView

HOPEFUL = (
    frozenset({SeatState.READY, SeatState.STARTING, SeatState.RESTING}),
    frozenset({SeatState.QUARANTINED}),
)
"""Seats that will work; where there is none, those that may again."""


class Range(NamedTuple):
    """Seconds."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> "Range":
        return Range(self.low * factor, self.expected * factor, self.high * factor)


NOTHING = Range(0.0, 0.0, 0.0)
NEVER = Range(math.inf, math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Left:
    """What a job has left to do. ``work``: units of its tasks that are not done, by kind; ``chain``: those of them on
    the longest chain; ``needs``: of each kind."""

    work: Mapping[TaskKind, float]
    chain: Mapping[TaskKind, float]
    needs: Mapping[TaskKind, Needs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of task. ``chain``: one after another on the best seat; ``share``: all of the job's at once on all
    ``seats`` that can take it; ``unit``: of one unit of work on them all."""

    seats: Mapping[Group, int]
    chain: Range
    share: Range
    unit: Range


def estimate(
    job: JobView,
    left: Left,
    position: int,
    view: FarmView,
    costs: RangedCosts,
    now: float,
    order: Sequence[str] | None = None,
) -> Range:
    """Seconds until the job is done: at best, as expected, at worst. Infinite when no seat can take some of it.

    A job that keeps to one device class and has begun on none is taken to go to the one that suits it best.

    Args:
        job: which.
        left: what it has left.
        position: its place in the queue, from 1, see ``reasons.place``.
        view: the farm.
        costs: of tasks.
        now: clock seconds.
        order: the jobs as ``reasons.queue`` has them, where that is known already.
    """
    before = list(islice(queue(view) if order is None else order, max(0, position - 1)))
    units = sum(view.jobs[name].remaining for name in before if name != job.id and name in view.jobs)
    open_ = not job.device_class and not job.mixing
    classes = sorted({seat.device_class for seat in view.seats.values()}) if open_ else []
    bound = [_estimate(replace(job, device_class=name), left, units, view, costs, now) for name in classes]
    best = min(bound, key=lambda one: one.expected, default=NEVER)
    return best if math.isfinite(best.expected) else _estimate(job, left, units, view, costs, now)


def _estimate(job: JobView, left: Left, units: float, view: FarmView, costs: RangedCosts, now: float) -> Range:
    """``units``: of work that comes before it."""
    kinds = [kind for kind in TaskKind if left.work.get(kind, 0.0) > 0]
    if not kinds:
        return NOTHING
    parts = [_part(kind, job, left, view, costs) for kind in kinds]
    if not all(part.seats for part in parts):
        return NEVER
    main = max(parts, key=lambda part: part.chain.expected)
    before, wait = main.unit.times(units), _first_free(job, main, view, now)
    chain, share = _sum(part.chain for part in parts), _at_once(parts)
    low = max(chain.low, before.low + share.low)
    expected = max(wait + chain.expected, before.expected + share.expected)
    high = wait + chain.high + before.high + sum(part.share.high for part in parts)
    return Range(min(low, expected), expected, max(high, expected))


def _sum(ranges: Iterable[Range]) -> Range:
    total = NOTHING
    for one in ranges:
        total = Range(total.low + one.low, total.expected + one.expected, total.high + one.high)
    return total


def _part(kind: TaskKind, job: JobView, left: Left, view: FarmView, costs: RangedCosts) -> Part:
    task = TaskView("", job.id, kind, left.needs.get(kind, Needs()))
    seats = _seats(Lane.of(task, job), view)
    if not seats:
        return Part(seats, NEVER, NEVER, NEVER)
    speeds, chains = [], []
    for group in seats:
        low, high = costs.range(task, group)
        second = Range(low, min(max(low, costs.run(task, group)), high), high).times(1 / task.work)
        speeds.append((seats[group], second))
        load = costs.load(task.needs.family, group)
        chains.append(Range(*(load + seconds for seconds in second.times(left.chain.get(kind, 0.0)))))
    unit = Range(*(1 / sum(count / second[index] for count, second in speeds) for index in range(3)))
    best = min(chains, key=lambda chain: chain.expected)
    return Part(seats, best if left.chain.get(kind) else NOTHING, unit.times(left.work[kind]), unit)


def _seats(lane: Lane, view: FarmView) -> Mapping[Group, int]:
    """How many seats there are that will do such tasks, by their groups."""
    counts: list[Counter[Group]] = [Counter() for _ in HOPEFUL]
    for seat in view.seats.values():
        group = Group.of(seat)
        if lane.fits(group):
            for count, states in zip(counts, HOPEFUL, strict=True):
                count[group] += seat.state in states
    return next((+count for count in counts if count.total()), Counter())


def _at_once(parts: Sequence[Part]) -> Range:
    """Kinds for the same seats one after another, kinds for others at the same time."""
    pools: dict[frozenset[Group], list[Range]] = {}
    for part in parts:
        pools.setdefault(frozenset(part.seats), []).append(part.share)
    sums = [_sum(shares) for shares in pools.values()]
    return Range(*(max(one[index] for one in sums) for index in range(3)))


def _first_free(job: JobView, part: Part, view: FarmView, now: float) -> float:
    """Seconds until a seat can begin with the job; none when one is at work on it."""
    moments = []
    for seat in view.seats.values():
        if seat.running is not None and seat.running.job_id == job.id:
            return 0.0
        if Group.of(seat) in part.seats:
            moments.append(seat.free_at)
    return max(0.0, min(moments, default=now) - now)
