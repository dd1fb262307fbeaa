"""Which seat a task goes to, or, where seats are scarce, which task a seat takes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from farm.jobs.records import TaskKind

from .costs import Costs
from .lanes import Lane
from .supply import AHEAD_SECONDS, LOOK, AheadSupply, Entry, Pool, Suitability, Supply
from .view import FarmView, Group, SeatState
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

    ``passed``: how many seats at work need no look, by their groups: they are spoken for.
    """

    view: FarmView
    costs: Costs
    suitability: Suitability
    now: float
    spoken: set[str]
    passed: dict[tuple[str, float], int] = field(default_factory=dict)

    def by_finish(self, candidate: Candidate, lane: Lane, supply: Supply) -> Place | None:
        """Where the task is done first; that may be at a seat which is still at work."""
        best: Place | None = None
        for pool in supply.fitting(lane):
            for entry in supply.places(pool, candidate, lane):
                place = self._place(candidate, lane, pool.group, entry, supply.starts(entry[1], self.now), pool)
                if best is None or place[:3] < best[:3]:
                    best = place
        if best is None:
            return None
        return self._sooner(candidate, lane, best, supply)

    def by_seat(self, window: Iterable[tuple[Candidate, Lane]], supply: Supply) -> tuple[Candidate, Place] | None:
        """The fastest seat that can take any of them, and the task for which least must be loaded and moved there."""
        choices = [(candidate, lane, supply.fitting(lane)) for candidate, lane in window]
        for pool in supply.pools:
            best: tuple[float, int, Entry] | None = None
            for index, (candidate, lane, pools) in enumerate(choices):
                if pool.entries and pool in pools:
                    for entry in supply.places(pool, candidate, lane):
                        cost = self._overhead(candidate, pool.group, entry[0])
                        if best is None or (cost, index) < best[:2]:
                            best = (cost, index, entry)
            if best is not None:
                candidate, lane, _ = choices[best[1]]
                starts = supply.starts(best[2][1], self.now)
                return candidate, self._place(candidate, lane, pool.group, best[2], starts, pool)
        return None

    def soon(self, place: Place) -> bool:
        """Whether the seat should be free so soon that it may be told now what it does then."""
        return place.until <= self.now + AHEAD_SECONDS

    def _overhead(self, candidate: Candidate, group: Group, node: str) -> float:
        """Seconds that are not the task's own."""
        task = candidate.task
        return self.costs.load(task.needs.family, group) + self.costs.move(task, node)

    def _place(
        self, candidate: Candidate, lane: Lane, group: Group, entry: Entry, starts: float, pool: Pool | None
    ) -> Place:
        overhead, run = self._overhead(candidate, group, entry[0]), self.costs.run(candidate.task, group)
        finish = starts + overhead + run * _stretch(candidate, lane)
        return Place(finish, -group.speed, entry, overhead + run, starts, pool)

    def _sooner(self, candidate: Candidate, lane: Lane, best: Place, supply: Supply) -> Place:
        """``best``, or the seat at work that will have done it before that."""
        avoid = self.suitability.avoid(lane)
        for until, seat_id in self._awaited(best.finish):
            seat = self.view.seats[seat_id]
            group = Group.of(seat)
            suits = seat_id not in avoid and lane.fits(group) and not self.suitability.spare(group, lane)
            if suits and not (isinstance(supply, AheadSupply) and seat_id in supply):
                place = self._place(candidate, lane, group, (seat.node, seat_id), until, None)
                if place[:3] < best[:3]:
                    best = place
        return best

    def _awaited(self, before: float) -> Iterator[tuple[float, str]]:
        """Seats at work that nobody waits for yet, a few of each group, and when they should be free."""
        for name, seats in self.view.busy.items():
            if name not in self.passed:
                self.passed[name] = seats.first_at(self.now - OVERDUE_SECONDS)
            while self.passed[name] < len(seats) and seats[self.passed[name]] in self.spoken:
                self.passed[name] += 1
            index, found = self.passed[name], 0
            while index < len(seats) and found < LOOK and seats.key(index) < before:
                seat = self.view.seats[seats[index]]
                if seat.id not in self.spoken and seat.ahead is None and seat.state is SeatState.READY:
                    found += 1
                    yield self._expected(seats.key(index)), seat.id
                index += 1

    def _expected(self, ends: float) -> float:
        """A seat that is late is taken to need as long again."""
        return max(ends, 2 * self.now - ends)


def _stretch(candidate: Candidate, lane: Lane) -> float:
    """A job's first section settles where all others go: it is weighed by its whole chain."""
    task = candidate.task
    settles = task.kind is TaskKind.SECTION and not lane.device_class and not candidate.job.mixing and task.work > 0
    return max(1.0, task.chain / task.work) if settles else 1.0
