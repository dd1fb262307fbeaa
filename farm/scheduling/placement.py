"""Which seat a task goes to, or, where seats are scarce, which task a seat takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from farm.jobs.records import TaskKind

from .costs import Costs
from .lanes import Lane
from .supply import AHEAD_SECONDS, LOOK, Entry, Pool, Suitability, Supply
from .urgency import Pressure
from .view import FarmView, Group, SeatState, Sorted
from .window import Candidate

OVERDUE_SECONDS = 30.0
"""A seat that is later than that is not waited for: nobody knows when it will be done."""


class Place(NamedTuple):
    """A seat for a task, the better the less. ``finish``: clock seconds; ``seconds``: that the task takes there.

    ``pool``: of the seats that can begin; ``None`` for a seat that must be waited for ``until`` it is free.
    """

    finish: float
    slowness: float
    entry: Entry
    seconds: float
    until: float
    pool: Pool | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Seats for tasks in one decision. ``spoken``: seats at work that a task of this decision waits for.

    ``passed``: how many seats at work need no look, by their groups: they are spoken for. ``loads``: what the costs
    said of a family and group, which live as long as the view is not changed.
    """

    view: FarmView
    costs: Costs
    suitability: Suitability
    now: float
    spoken: set[str]
    pressure: Pressure
    passed: dict[tuple[str, float], int] = field(default_factory=dict)
    loads: dict[tuple[str, int], float] = field(default_factory=dict)

    def by_finish(self, candidate: Candidate, lane: Lane, supply: Supply) -> Place | None:
        """Where the task is done first; that may be at a seat which is still at work."""
        best: Place | None = None
        stretch = _stretch(candidate, lane)
        for pool in supply.fitting(lane):
            if best and self.now + self.costs.run(candidate.task, pool.group) * stretch > best.finish:
                continue
            for entry in supply.places(pool, candidate, lane):
                place = self.place(candidate, lane, pool.group, entry, supply.starts(entry[1], self.now), pool)
                if best is None or place[:3] < best[:3]:
                    best = place
        return best and self._sooner(candidate, lane, best, supply)

    def by_seat(self, window: Iterable[tuple[Candidate, Lane]], supply: Supply) -> tuple[Candidate, Place] | None:
        """The fastest seat that can take any of them, and the task for which least must be loaded and moved there."""
        choices = [(candidate, lane, supply.fitting(lane)) for candidate, lane in window]
        for pool in supply.pools:
            best: tuple[float, int, Entry] | None = None
            for index, (candidate, lane, pools) in enumerate(choices):
                if pool.entries and pool in pools and not self._too_slow(candidate, lane, pool.group):
                    for entry in supply.places(pool, candidate, lane):
                        cost = self._overhead(candidate, pool.group, entry[0])
                        if best is None or (cost, index) < best[:2]:
                            best = (cost, index, entry)
            if best is not None:
                candidate, lane, _ = choices[best[1]]
                starts = supply.starts(best[2][1], self.now)
                return candidate, self.place(candidate, lane, pool.group, best[2], starts, pool)
        return None

    def _too_slow(self, candidate: Candidate, lane: Lane, group: Group) -> bool:
        """Whether a job that would be made on such seats from first to last would end after all else is done."""
        slow = group.speed < self.pressure.fastest and _settles(candidate, lane)
        return slow and candidate.task.chain > group.speed * self.pressure.horizon

    def soon(self, place: Place) -> bool:
        """Whether the seat should be free so soon that it may be told now what it does then."""
        return place.until <= self.now + AHEAD_SECONDS

    def _overhead(self, candidate: Candidate, group: Group, node: str) -> float:
        """Seconds that are not the task's own."""
        task = candidate.task
        key = (task.needs.family, id(group))
        load = self.loads.get(key)
        if load is None:
            load = self.loads[key] = self.costs.load(task.needs.family, group)
        return load + self.costs.move(task, node)

    def place(
        self, candidate: Candidate, lane: Lane, group: Group, entry: Entry, starts: float, pool: Pool | None
    ) -> Place:
        overhead, run = self._overhead(candidate, group, entry[0]), self.costs.run(candidate.task, group)
        finish = starts + overhead + run * _stretch(candidate, lane)
        return Place(finish, -group.speed, entry, overhead + run, starts, pool)

    def _sooner(self, candidate: Candidate, lane: Lane, best: Place, supply: Supply) -> Place:
        """``best``, or the seat at work that will have done it before that."""
        avoid = self.suitability.avoid(lane)
        for name, seats in self.view.busy.items():
            run, looked = self._quickest(candidate, lane, seats), 0
            for index in range(self._first_unspoken(name, seats), len(seats)):
                until, seat_id = seats.key(index), seats[index]
                if until + run >= best.finish or looked == LOOK:
                    break
                if seat_id in self.spoken or seat_id in avoid or seat_id in supply:
                    continue
                seat, group = self.view.seats[seat_id], self.view.groups[seat_id]
                able = seat.state is SeatState.READY and seat.ahead is None
                if able and lane.fits(group) and not self.suitability.spare(group, lane):
                    looked += 1
                    entry = (seat.node, seat_id)
                    place = self.place(candidate, lane, group, entry, self._expected(until), None)
                    if place[:3] < best[:3]:
                        best = place
        return best

    def _quickest(self, candidate: Candidate, lane: Lane, seats: Sorted[float]) -> float:
        """Seconds that the task takes at least on such seats, which are of one class and speed."""
        return self.costs.run(candidate.task, self.view.groups[seats[0]]) * _stretch(candidate, lane)

    def _first_unspoken(self, name: tuple[str, float], seats: Sorted[float]) -> int:
        """Index of the first of these seats that is not long overdue, and that nobody may wait for yet."""
        index = self.passed.get(name)
        if index is None:
            index = seats.first_at(self.now - OVERDUE_SECONDS)
        while index < len(seats) and seats[index] in self.spoken:
            index += 1
        self.passed[name] = index
        return index

    def _expected(self, ends: float) -> float:
        """A seat that is late is taken to need as long again."""
        return max(ends, 2 * self.now - ends)


def _stretch(candidate: Candidate, lane: Lane) -> float:
    """A job's first section settles where all others go: it is weighed by its whole chain."""
    task = candidate.task
    return max(1.0, task.chain / task.work) if task.work > 0 and _settles(candidate, lane) else 1.0


def _settles(candidate: Candidate, lane: Lane) -> bool:
    """Whether the seat's class will be that of the whole job."""
    return lane.kind is TaskKind.SECTION and not lane.device_class and not candidate.job.mixing
