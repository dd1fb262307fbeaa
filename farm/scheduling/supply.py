"""The seats that a decision can give work to, by groups of equal ones."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from farm.jobs.records import TaskKind

from .lanes import Lane
from .limits import Limits
from .urgency import job_key
from .view import FarmView, Group, SeatState, SeatView, TaskView
from .window import Candidate

AHEAD_SECONDS = 2.0
"""A seat that should be done within that time may be told what it does next, so that it need not wait for word."""

LOOK = 8
"""Most seats of a group that are looked at one by one."""

NOBODY: frozenset[str] = frozenset()

Entry = tuple[str, str]
"""Node and seat."""


@dataclass(slots=True, eq=False)
class Pool:
    """Seats of one group that are left, in the order of their nodes."""

    group: Group
    entries: list[Entry]

    def first(self, avoid: frozenset[str]) -> Entry | None:
        return next((entry for entry in self.entries if entry[1] not in avoid), None)

    def at(self, node: str, avoid: frozenset[str]) -> Entry | None:
        """The first on that node."""
        for index in range(bisect_left(self.entries, (node, "")), len(self.entries)):
            entry = self.entries[index]
            if entry[0] != node:
                return None
            if entry[1] not in avoid:
                return entry
        return None

    def take(self, entry: Entry) -> None:
        del self.entries[bisect_left(self.entries, entry)]


@dataclass(slots=True)
class Suitability:
    """Which seats may do what, in one state of the farm."""

    view: FarmView
    limits: Limits
    _helped: dict[Lane, bool] = field(default_factory=dict)
    _avoided: dict[Lane, frozenset[str]] = field(default_factory=dict)

    @property
    def avoiding(self) -> bool:
        """Whether any task asked about avoids seats, so that a pool may be of no use to it before it is empty."""
        return bool(self._avoided)

    def spare(self, group: Group, lane: Lane) -> bool:
        """Whether the task is one that such a seat leaves to others while it has work of its own."""
        if lane.kind not in group.spares:
            return False
        if lane not in self._helped:
            self._helped[lane] = any(lane.kind not in other.spares and lane.fits(other) for other in self.view.able)
        return self._helped[lane]

    def avoid(self, lane: Lane) -> frozenset[str]:
        """Seats that failed the task, as long as another could take it."""
        if not lane.failed_on:
            return NOBODY
        if lane not in self._avoided:
            able = sum(count for group, count in self.view.able.items() if lane.fits(group))
            failed = [self.view.seats[name] for name in lane.failed_on if name in self.view.seats]
            tried = sum(seat.state is SeatState.READY and lane.fits(self.view.groups[seat.id]) for seat in failed)
            self._avoided[lane] = lane.failed_on if able > tried else NOBODY
        return self._avoided[lane]


class Supply:
    """Seats without work. ``spare``: for tasks that they take only while they have nothing of their own."""

    once = False
    """Whether an owner whose most urgent tasks find no seat is done."""

    def __init__(self, suitability: Suitability, groups: Iterable[tuple[Group, list[Entry]]], spare: bool) -> None:
        self._suitability, self._spare = suitability, spare
        pools = [Pool(group, entries) for group, entries in groups if entries]
        self.pools = sorted(pools, key=lambda pool: (-pool.group.speed, pool.entries[0]))
        self.exhausted = 0
        self._fitting: dict[Lane, list[Pool]] = {}

    def __bool__(self) -> bool:
        return any(pool.entries for pool in self.pools)

    def avoid(self, lane: Lane) -> frozenset[str]:
        return self._suitability.avoid(lane)

    def fitting(self, lane: Lane) -> list[Pool]:
        """Pools whose seats may take the lane's tasks in this pass, the fastest first; some may be used up."""
        if lane not in self._fitting:
            spare, suits = self._spare, self._suitability.spare
            self._fitting[lane] = [
                pool for pool in self.pools if lane.fits(pool.group) and suits(pool.group, lane) is spare
            ]
        return self._fitting[lane]

    def alive(self, lane: Lane) -> bool:
        if not self._suitability.limits.allow_model(lane.needs.family):
            return False
        avoid = self.avoid(lane)
        return any(pool.first(avoid) if avoid else pool.entries for pool in self.fitting(lane))

    def scarce_kinds(self) -> frozenset[TaskKind]:
        """Kinds of which more tasks are ready, with others for the same seats, than there are seats left for them."""
        ready: Counter[TaskKind] = Counter()
        pools: dict[TaskKind, dict[int, int]] = defaultdict(dict)
        for lane, count in self._suitability.view.waiting.items():
            fitting = self.fitting(lane)
            if fitting:
                ready[lane.kind] += count
                pools[lane.kind].update((id(pool), len(pool.entries)) for pool in fitting)
        return frozenset(
            kind
            for kind, own in pools.items()
            if sum(ready[other] for other in pools if own.keys() & pools[other].keys()) > sum(own.values())
        )

    def take(self, pool: Pool, entry: Entry) -> None:
        pool.take(entry)
        if not pool.entries or self._suitability.avoiding or self._suitability.view.model_limits:
            self.exhausted += 1

    def __contains__(self, seat_id: str) -> bool:
        """Whether the seat is at work and yet among these."""
        return False

    def starts(self, seat_id: str, now: float) -> float:
        """When the seat can begin."""
        return now

    def places(self, pool: Pool, candidate: Candidate, lane: Lane) -> Iterator[Entry]:
        """Of equal seats those worth a look: the first, and one on each node that holds what the task reads."""
        avoid = self.avoid(lane)
        first = pool.first(avoid)
        if first is None:
            return
        yield first
        for node in candidate.task.inputs_on:
            if node != first[0] and (entry := pool.at(node, avoid)):
                yield entry


def free_supply(suitability: Suitability, taken: Iterable[str], spare: bool) -> Supply:
    """Seats that are free, but for those that this decision already gave work to."""
    gone = frozenset(taken)
    groups = (
        (group, [entry for entry in seats.entries() if entry[1] not in gone] if gone else seats.entries())
        for group, seats in suitability.view.free.items()
        if not spare or group.spares
    )
    return Supply(suitability, groups, spare)


class AheadSupply(Supply):
    """Proven seats at work that should be done within ``AHEAD_SECONDS`` and don't know yet what they do next."""

    once = True

    def __init__(self, suitability: Suitability, now: float, taken: Container[str]) -> None:
        self._view = suitability.view
        self._free_at: dict[str, float] = {}
        groups: dict[Group, list[Entry]] = {}
        for seats in self._view.busy.values():
            for index in range(seats.first_at(now - AHEAD_SECONDS), seats.first_at(now + AHEAD_SECONDS)):
                seat = self._view.seats[seats[index]]
                able = seat.ahead is None and seat.proven and seat.state is SeatState.READY
                if able and seat.id not in taken:
                    self._free_at[seat.id] = max(now, seats.key(index))
                    groups.setdefault(self._view.groups[seat.id], []).append((seat.node, seat.id))
        super().__init__(suitability, ((group, sorted(entries)) for group, entries in groups.items()), spare=False)

    def __contains__(self, seat_id: str) -> bool:
        return seat_id in self._free_at

    def starts(self, seat_id: str, now: float) -> float:
        return self._free_at[seat_id]

    def places(self, pool: Pool, candidate: Candidate, lane: Lane) -> Iterator[Entry]:
        avoid = self.avoid(lane)
        for entry in pool.entries[:LOOK]:
            if entry[1] not in avoid and not goes_on(self._view, self._view.seats[entry[1]], candidate):
                yield entry


def goes_on(view: FarmView, seat: SeatView, other: Candidate) -> bool:
    """Whether the job that the seat works for will bring it its next task, and goes before ``other``."""
    job = view.jobs.get(seat.running.job_id) if seat.running else None
    if job is None or seat.running is None or job.owner != other.job.owner:
        return False
    if job.id == other.job.id:
        return _chain_goes_on(view, seat, seat.running.task, other)
    left = job.remaining - (seat.running.task.work if seat.running.task else 0.0)
    return left > 0 and job_key(job) < job_key(other.job)


def _chain_goes_on(view: FarmView, seat: SeatView, running: TaskView | None, other: Candidate) -> bool:
    """Whether the section that the seat works at is followed by one that is more urgent than ``other``, which is none,
    of the same job; and a seat is there that can do ``other`` beside it."""
    if running is None or running.kind is not TaskKind.SECTION or other.task.kind is TaskKind.SECTION:
        return False
    beside = (one for one in view.seats.values() if one.id != seat.id and one.state is SeatState.READY)
    return other.task.chain < running.chain - running.work and any(
        other.lane.fits(view.groups[one.id]) for one in beside
    )
