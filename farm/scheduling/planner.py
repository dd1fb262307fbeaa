"""The planner: which ready task goes to which seat, now.

Owners take turns by their shares (``shares``); the order of an owner's tasks is in ``urgency``, the choice of seats in
``placement``. Three passes: free seats for what they are for, free seats for what they only spare, and seats that are
nearly done.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from farm.jobs.records import TaskKind

from .costs import Costs
from .decisions import Decisions, Start, Wait, Withdraw
from .drain import emptied
from .lanes import BOUND, Lane
from .limits import Limits
from .placement import Place, Placement
from .preemption import Preemption
from .shares import Turns
from .supply import AheadSupply, Suitability, Supply, free_supply, goes_on
from .urgency import Pressure
from .view import FarmView
from .window import WINDOW_TASKS, Candidate, Window


def decide(view: FarmView, now: float, costs: Costs, most: int | None = None) -> Decisions:
    """What to start, where, and what to take back. Reads the view and changes nothing.

    The answer is the same for every order in which the records were put in. Its cost follows the number of groups of
    seats and of tasks that can start, not tasks times seats. ``most``: so many starts are enough for now.
    """
    round_ = Round(view, now, costs, most)
    round_.serve(free_supply(round_.suitability, (), spare=False))
    round_.serve(free_supply(round_.suitability, round_.taken, spare=True))
    round_.serve(AheadSupply(round_.suitability, now, round_.taken))
    return Decisions(tuple(round_.starts), tuple(round_.withdrawals()), tuple(round_.waits))


class Round:
    """One decision while it is made."""

    def __init__(self, view: FarmView, now: float, costs: Costs, most: int | None = None) -> None:
        self.starts: list[Start] = []
        self.waits: list[Wait] = []
        self.taken: set[str] = set()
        self._limits = Limits(view)
        self.suitability = Suitability(view, self._limits)
        self._view, self._now, self._costs = view, now, costs
        self._most = sys.maxsize if most is None else most
        self._spoken: set[str] = set()
        self._settled: set[str] = set()
        self._classes: dict[str, str] = {}
        self._patience: Counter[str] = Counter()
        self._turns = Turns(view)
        self._pressure = Pressure.of(now, view.backlog, view.section_speeds())
        self._placement = Placement(view, costs, self.suitability, now, self._spoken, self._pressure)

    def serve(self, supply: Supply) -> None:
        """Let owners in turn take of these seats until nothing more can start."""
        scarce = supply.scarce_kinds() if supply else frozenset()
        windows: dict[str, Window] = {}
        for owner in self._turns.around() if supply else ():
            if len(self.starts) >= self._most:
                return
            if owner not in windows:
                windows[owner] = Window(self._view, owner, self._pressure, supply, scarce, self._settled)
            units = self._next(owner, windows[owner], supply, scarce)
            if units is not None:
                self._turns.charge(owner, units)

    def withdrawals(self) -> Iterator[Withdraw]:
        """What seats hold for later, and shouldn't."""
        yield from emptied(self._view)
        if not self._view.holding_ahead:
            return
        left = free_supply(self.suitability, self.taken, spare=False)
        preemption = Preemption(self._view, self._now, self._costs, self.suitability, left)
        given_up: set[str] = set()
        for seat, why in (*preemption.faster(), *preemption.outranked()):
            if seat.ahead is not None and seat.id not in given_up:
                given_up.add(seat.id)
                yield Withdraw(seat.ahead.task_id, seat.id, why)

    def _next(self, owner: str, window: Window, supply: Supply, scarce: frozenset[TaskKind]) -> float | None:
        """Start one task of the owner's; answers its units, or ``None`` when none can start."""
        while self._limits.allow(owner) and (first := window.first()):
            if first.urgent or first.task.kind not in scarce:
                seen, place = [first], self._placement.by_finish(first, self._lane(first), supply)
                found = (first, place) if place else None
            else:
                seen = window.near()
                found = self._placement.by_seat([(one, self._lane(one)) for one in seen], supply)
                if found is None and not supply.once and self._patience[owner] < WINDOW_TASKS:
                    found = self._any_by_finish(seen, supply)
            if found is None and (supply.once or self._patience[owner] >= WINDOW_TASKS):
                return None
            window.drop(*([found[0]] if found else seen))
            if found is not None and self._settle(*found, supply):
                return found[0].task.work
            self._patience[owner] += found is not None
            if first.urgent and self._patience[owner] >= WINDOW_TASKS:
                window.calm()
        return None

    def _any_by_finish(self, seen: list[Candidate], supply: Supply) -> tuple[Candidate, Place] | None:
        """The first that has a place: by the seats that are free alone, its job would end too late."""
        for candidate in seen:
            place = self._placement.by_finish(candidate, self._lane(candidate), supply)
            if place is not None:
                return candidate, place
        return None

    def _settle(self, candidate: Candidate, place: Place, supply: Supply) -> bool:
        """Note what was decided; whether the task starts."""
        task, job, seat_id = candidate.task, candidate.job, place.entry[1]
        self._settled.add(task.id)
        ahead = isinstance(supply, AheadSupply)
        if place.pool is not None:
            supply.take(place.pool, place.entry)
        else:
            self._spoken.add(seat_id)
            seat = self._view.seats[seat_id]
            ahead = seat.proven and self._placement.soon(place) and not goes_on(self._view, seat, candidate)
            if not ahead:
                self.waits.append(Wait(task.id, seat_id, place.until))
                return False
        self.taken.add(seat_id)
        self.starts.append(Start(task.id, seat_id, place.seconds, ahead))
        self._limits.start(candidate.job.owner, task.needs.family)
        if task.kind is TaskKind.SECTION and not job.mixing:
            self._classes[job.id] = self._view.seats[seat_id].device_class
        return True

    def _lane(self, candidate: Candidate) -> Lane:
        """The candidate's, now that this decision may have settled where its job is made."""
        lane, settled = candidate.lane, self._classes.get(candidate.job.id, "")
        if settled and not lane.device_class and lane.kind in BOUND:
            return replace(lane, device_class=settled)
        return lane
