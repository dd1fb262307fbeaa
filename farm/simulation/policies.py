"""Policies to compare: the farm's own, and simpler ones with the same signature.

The simpler ones know neither owners nor priorities: jobs go by age, or tasks by the longest chain.
"""

import heapq
from collections.abc import Callable, Iterator

from farm.errors import unknown_name
from farm.scheduling.costs import Costs
from farm.scheduling.decisions import Decisions, Start, Wait
from farm.scheduling.lanes import Lane
from farm.scheduling.limits import Limits
from farm.scheduling.placement import Place, Placement
from farm.scheduling.planner import decide
from farm.scheduling.supply import Entry, Pool, Suitability, Supply, free_supply
from farm.scheduling.urgency import Pressure
from farm.scheduling.view import FarmView
from farm.scheduling.window import WINDOW_TASKS, Candidate

from .farm import Policy

Choose = Callable[[Candidate, Supply, Placement], Place | None]
Order = Callable[[FarmView], Iterator[Candidate]]


def by_age(view: FarmView) -> Iterator[Candidate]:
    """The oldest job first, and in it the longest chain."""
    names = {name for owner in view.waiting_owners() for queue in view.queues(owner).values() for name in queue.jobs}
    for job_id in sorted(names, key=lambda name: (view.jobs[name].submitted, name)):
        for task_id in view.ready(job_id):
            yield _candidate(view, task_id)


def by_rank(view: FarmView) -> Iterator[Candidate]:
    """The longest chain first, whoever's it is."""
    lanes = [(lane, queue) for owner in view.waiting_owners() for lane, queue in view.queues(owner).items()]
    jobs = heapq.merge(*([(queue.longest.key(n)[2], queue.longest[n], lane) for n in range(len(queue.longest))]
                         for lane, queue in lanes), key=lambda item: item[:2])  # fmt: skip
    opened: list[tuple[float, str]] = []
    for chain, job_id, lane in jobs:
        while opened and opened[0][0] < chain:
            yield _candidate(view, heapq.heappop(opened)[1])
        for key, task_id in view.chains(job_id, lane).entries():
            heapq.heappush(opened, (key, task_id))
    while opened:
        yield _candidate(view, heapq.heappop(opened)[1])


def any_free(candidate: Candidate, supply: Supply, placement: Placement) -> Place | None:
    """The first free seat by name."""
    return _first(candidate, supply, placement, lambda pool, entry: entry)


def affinity(candidate: Candidate, supply: Supply, placement: Placement) -> Place | None:
    """A seat on a node that holds what the task reads, else one with its model, else any."""
    task = candidate.task

    def rank(pool: Pool, entry: Entry) -> tuple[bool, bool, Entry]:
        return (entry[0] not in task.inputs_on, task.needs.family not in pool.group.models, entry)

    return _first(candidate, supply, placement, rank)


def earliest(candidate: Candidate, supply: Supply, placement: Placement) -> Place | None:
    """Where it is done first, seats at work included."""
    return placement.by_finish(candidate, candidate.lane, supply)


def in_order(order: Order, choose: Choose) -> Policy:
    """A policy that takes tasks one by one and gives each the seat of its choice."""

    def policy(view: FarmView, now: float, costs: Costs) -> Decisions:
        supply, placement = _begin(view, now, costs)
        starts: list[Start] = []
        waits: list[Wait] = []
        for candidate in order(view):
            if not supply or len(waits) >= WINDOW_TASKS:
                break
            place = choose(candidate, supply, placement)
            if place is not None:
                _note(candidate, place, supply, placement, starts, waits)
        return Decisions(tuple(starts), (), tuple(waits))

    return policy


def two_sided(view: FarmView, now: float, costs: Costs) -> Decisions:
    """Oldest first to the earliest finish; where seats are scarce, each takes what costs it least of the oldest 64."""
    supply, placement = _begin(view, now, costs)
    starts: list[Start] = []
    waits: list[Wait] = []
    tasks, scarce = by_age(view), supply.scarce_kinds() if supply else frozenset()
    window: list[Candidate] = []
    while supply:
        while len(window) < WINDOW_TASKS and (candidate := next(tasks, None)):
            window.append(candidate)
        if not window:
            break
        if window[0].task.kind in scarce:
            found = placement.by_seat([(one, one.lane) for one in window], supply)
            candidate, place = found or (window[0], None)
        else:
            candidate, place = window[0], placement.by_finish(window[0], window[0].lane, supply)
        window.remove(candidate)
        if place is not None:
            _note(candidate, place, supply, placement, starts, waits)
    return Decisions(tuple(starts), (), tuple(waits))


POLICIES: dict[str, Policy] = {
    "farm": decide,
    "fifo": in_order(by_age, any_free),
    "affinity": in_order(by_age, affinity),
    "earliest-finish": in_order(by_age, earliest),
    "two-sided": two_sided,
    "upward-rank": in_order(by_rank, earliest),
}


def find_policy(name: str) -> Policy:
    """By name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in POLICIES:
        raise unknown_name("policy", name, list(POLICIES))
    return POLICIES[name]


def _candidate(view: FarmView, task_id: str) -> Candidate:
    task = view.tasks[task_id]
    job = view.jobs[task.job_id]
    return Candidate((0, 0, 0.0, 0, job.submitted, job.id, -task.chain, task.id), task, job, Lane.of(task, job))


def _begin(view: FarmView, now: float, costs: Costs) -> tuple[Supply, Placement]:
    suitability = Suitability(view, Limits(view))
    return free_supply(suitability, (), spare=False), Placement(view, costs, suitability, now, set(), _calm(now))


def _calm(now: float) -> Pressure:
    """Nothing is urgent."""
    return Pressure.of(now, 0.0, {})


def _first(
    candidate: Candidate,
    supply: Supply,
    placement: Placement,
    rank: Callable[[Pool, Entry], object],
) -> Place | None:
    lane = candidate.lane
    places = [(pool, entry) for pool in supply.fitting(lane) for entry in supply.places(pool, candidate, lane)]
    if not places:
        return None
    pool, entry = min(places, key=lambda item: rank(*item))  # type: ignore[arg-type,return-value]
    return placement.place(candidate, lane, pool.group, entry, placement.now, pool)


def _note(
    candidate: Candidate,
    place: Place,
    supply: Supply,
    placement: Placement,
    starts: list[Start],
    waits: list[Wait],
) -> None:
    task_id, seat_id = candidate.task.id, place.entry[1]
    if place.pool is None:
        placement.spoken.add(seat_id)
        waits.append(Wait(task_id, seat_id, place.until))
    else:
        supply.take(place.pool, place.entry)
        starts.append(Start(task_id, seat_id, place.seconds))
