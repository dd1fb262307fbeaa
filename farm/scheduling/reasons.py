"""Why a task waits, in a line for a person, and what would help where something would."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from .codes import MISSING, Code, Reason
from .decisions import Wait
from .lacking import lacking
from .lanes import Lane
from .machine import Scale
from .shares import standing
from .urgency import job_key
from .view import FarmView, Group, JobView, Needs, SeatState, SeatView, TaskView

GB = 10**9
NAMED = 2
"""So many names are told, of more how many there are."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that may not be ready. ``waits_for``: names of tasks that come first; ``paused``: why its job is."""

    task: TaskView
    waits_for: tuple[str, ...] = ()
    paused: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the view doesn't say.

    ``names``: jobs' names for people; ``until``, ``troubles``: when resting and quarantined seats are asked again, and
    why they are; ``hosts``: nodes' names for people; ``waits``: of the newest decision, by task; ``closed``: nodes that
    have no replica just now, and why; ``coming``: what machines have that were asked for.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, float] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    waits: Mapping[str, Wait] = field(default_factory=dict)
    closed: Sequence[str] = ()
    coming: Scale | None = None


NO_FACTS = Facts()


def queue(view: FarmView) -> Iterator[str]:
    """Jobs in the order in which the farm turns to them: owners by their shares, and each one's by urgency."""
    jobs: dict[str, list[JobView]] = {}
    for job in view.jobs.values():
        jobs.setdefault(job.owner, []).append(job)
    lines = {owner: iter(sorted(own, key=lambda job: (job_key(job), job.id))) for owner, own in jobs.items()}
    turns = [(standing(view, owner), owner) for owner in lines]
    heapq.heapify(turns)
    while turns:
        used, owner = heapq.heappop(turns)
        first = next(lines[owner], None)
        if first is not None:
            yield first.id
            heapq.heappush(turns, (used + first.remaining / view.owners[owner].weight, owner))


def place(view: FarmView, job_id: str) -> tuple[int, int]:
    """The job's place in the queue, from 1, and how many there are; the first place after all for an unknown one."""
    count = len(view.jobs)
    return next((index for index, name in enumerate(queue(view), 1) if name == job_id), count + 1), count


def explain(task: TaskView | Waiting, view: FarmView, now: float, facts: Facts = NO_FACTS) -> Reason:
    """Why the task waits. For many tasks at one moment make one ``Reasons`` and ask it."""
    return Reasons(view, now, facts).explain(task)


class Reasons:
    """Why tasks wait at one moment."""

    def __init__(self, view: FarmView, now: float, facts: Facts = NO_FACTS) -> None:
        self._view, self._now, self._facts = view, now, facts
        self._suiting: dict[Lane, Reason | list[SeatView]] = {}

    def explain(self, waiting: TaskView | Waiting) -> Reason:
        if isinstance(waiting, TaskView):
            waiting = Waiting(waiting)
        task = waiting.task
        if waiting.paused:
            return Reason(Code.PAUSED, f"Its job is paused: {waiting.paused}", {"why": waiting.paused})
        if waiting.waits_for:
            names = waiting.waits_for
            return Reason(Code.WAITS_FOR, f"It needs what {_listed(names)} will make.", {"tasks": list(names)})
        job = self._view.jobs.get(task.job_id) or JobView(task.job_id)
        lane = replace(Lane.of(task, job), failed_on=frozenset())
        if lane not in self._suiting:
            seats = self._suit(lane)
            self._suiting[lane] = self._hopeful(lane, seats if isinstance(seats, Reason) else self._at_work(seats))
        seats = self._suiting[lane]
        if isinstance(seats, Reason):
            return seats
        return self._failed(task, seats) or self._limited(task, job) or self._in_turn(task, job, lane, seats)

    def _hopeful(self, lane: Lane, found: list[SeatView] | Reason) -> list[SeatView] | Reason:
        """What is missing may be on its way."""
        coming = self._facts.coming
        if isinstance(found, Reason) and found.code in MISSING and coming is not None and coming.takes(lane):
            return Reason(Code.STARTING, "It waits for a machine to start.", {"seats": 0, "why": found.text})
        return found

    # What no replica has

    def _suit(self, lane: Lane) -> list[SeatView] | Reason:
        """Seats that could do such tasks, or what is missing."""
        seats = list(self._view.seats.values())
        if not seats:
            why = "; ".join(islice(self._facts.closed, NAMED))
            text = f"No replica works now: {why}." if why else "There is no replica. Start one, or let a machine join."
            return Reason(Code.NO_SEAT, text, {"seats": 0})
        seats = [seat for seat in seats if lane.kind in seat.takes or lane.kind in seat.spares]
        if not seats:
            return Reason(Code.WRONG_KIND, f"No replica takes {lane.kind} tasks. Start one that does.")
        labelled = [seat for seat in seats if lane.needs.features <= seat.features]
        if not labelled:
            return _unlabelled(lane.needs.features, seats)
        large = [seat for seat in labelled if lane.needs.fit(seat.memory, seat.on_cpu)]
        if not large:
            return too_large(lane.needs, labelled)
        able = [seat for seat in large if lane.needs.found_in(seat.assets)]
        if not able:
            return lacking(lane.needs.assets, large, self._facts.hosts)
        bound = [seat for seat in able if lane.fits(Group.of(seat))]
        if not bound:
            began = lane.device_class
            text = f"This video began on {began}, and there is none now. Add one, or allow other devices for the video."
            return Reason(Code.DEVICE_CLASS, text, {"device_class": began, "seats": 0})
        return bound

    # Who could, but not now

    def _at_work(self, seats: list[SeatView]) -> list[SeatView] | Reason:
        """Those that take tasks now, or why none does."""
        ready = [seat for seat in seats if seat.state is SeatState.READY]
        if ready:
            return ready
        states = Counter(seat.state for seat in seats)
        starting = states[SeatState.STARTING]
        if starting:
            return Reason(
                Code.STARTING, f"{_count(starting, 'replica is', 'replicas are')} starting.", {"seats": starting}
            )
        asleep = [seat for seat in seats if seat.state in (SeatState.RESTING, SeatState.QUARANTINED)]
        if not asleep:
            text = "Every replica that could take it is drained. Undo that with `farm undrain`, or add one."
            return Reason(Code.DRAINING, text, {"seats": states[SeatState.DRAINING]})
        first = min(asleep, key=lambda seat: (self._facts.until.get(seat.id, math.inf), seat.id))
        until, why = self._facts.until.get(first.id, math.inf), self._facts.troubles.get(first.id, "")
        when = f" for {about(until - self._now)}" if math.isfinite(until) else ""
        verb = "rests" if first.state is SeatState.RESTING else "is kept from work"
        text = f"{first.id} {verb}{when}" + (f": {why}" if why else ".")
        return Reason(Code.RESTING, text, {"seat": first.id, "until": until, "why": why, "seats": len(asleep)})

    def _failed(self, task: TaskView, ready: list[SeatView]) -> Reason | None:
        if task.not_before > self._now:
            wait = task.not_before - self._now
            return Reason(Code.FAILED_BEFORE, f"It failed, and is tried again in {about(wait)}.", {"seconds": wait})
        others = [seat for seat in ready if seat.id not in task.failed_on]
        useless = [seat for seat in ready if seat.id in task.failed_on and seat.free]
        if not others or not useless or any(seat.free for seat in others):
            return None
        failed, wait = sorted(task.failed_on), self._free_in(others)
        text = f"It failed on {_listed(failed)} and waits for another replica, free in {about(wait)}."
        return Reason(Code.FAILED_BEFORE, text, {"failed_on": failed, "free_in": wait})

    def _limited(self, task: TaskView, job: JobView) -> Reason | None:
        return self._limited_owner(job) or self._limited_model(task.needs.family)

    def _limited_model(self, family: str) -> Reason | None:
        limit = self._view.model_limits.get(family)
        held = self._view.holdings.model_tasks(family)
        if limit is None or held < limit:
            return None
        text = f"{_count(limit, 'task', 'tasks')} at a time may use {family} on this farm, and do. Wait for one to end."
        return Reason(Code.LIMIT, text, {"model": family, "limit": limit, "held": held})

    def _limited_owner(self, job: JobView) -> Reason | None:
        owner = self._view.owners.get(job.owner)
        if owner is None or owner.limit is None:
            return None
        held = self._view.holdings.tasks(owner.name)
        if held < owner.limit:
            return None
        who, tasks = owner.name or "Its owner", _count(owner.limit, "task", "tasks")
        text = f"{who} may have {tasks} at a time, and has. Raise the limit, or wait for one to end."
        return Reason(Code.LIMIT, text, {"owner": owner.name, "limit": owner.limit, "held": held})

    # Who goes first

    def _in_turn(self, task: TaskView, job: JobView, lane: Lane, ready: list[SeatView]) -> Reason:
        wait = self._facts.waits.get(task.id)
        if wait is not None:
            seconds = max(0.0, wait.until - self._now)
            text = f"It goes to {wait.seat_id}, free in {about(seconds)}: that is sooner than any free one would end."
            return Reason(Code.NEXT, text, {"seat": wait.seat_id, "free_in": seconds})
        free = sum(seat.free for seat in ready)
        if free > self._before(job):
            return Reason(Code.NEXT, "It is next, and starts in a moment.", {"free_in": 0.0})
        busy = {"busy": len(ready), "free_in": self._free_in(ready)}
        if lane.device_class and self._free_elsewhere(lane):
            began, when = lane.device_class, about(busy["free_in"])
            text = f"This video began on {began}; one is free in {when}. It could start elsewhere if it might be mixed."
            return Reason(Code.DEVICE_CLASS, text, {"device_class": began, **busy})
        behind = self._behind(job)
        if behind:
            return replace(behind, details={**behind.details, **busy})
        who = self._busy_with(ready)
        first = self._view.ready(job.id)[:1] in ([], [task.id])
        text = f"{'It is next. ' if first else ''}{who}; one is free in {about(busy['free_in'])}."
        return Reason(Code.NEXT if first else Code.NO_SEAT, text, busy)

    def _before(self, job: JobView) -> int:
        return self._places.get(job.id, len(self._order))

    def _behind(self, job: JobView) -> Reason | None:
        before, of = self._before(job), len(self._order)
        if not before:
            return None
        details = {"before": before, "next": self._order[0], "place": before + 1, "of": of}
        owners = [self._view.jobs[name].owner for name in self._order[:before]]
        mine = job.owner in owners
        known = job.owner in self._view.owners
        if known and not mine and standing(self._view, job.owner) > standing(self._view, owners[-1]):
            text = f"{job.owner or 'Its owner'} has had more than others; {owners[-1] or 'another'} goes first."
            return Reason(Code.OVER_SHARE, text, {**details, "owner": job.owner})
        text = f"{_count(before, 'job is', 'jobs are')} before it, the next is {self._named(self._order[0])}."
        return Reason(Code.BEHIND, text + " A higher priority would help." * mine, details)

    @cached_property
    def _order(self) -> list[str]:
        return list(queue(self._view))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {job_id: index for index, job_id in enumerate(self._order)}

    def _free_in(self, seats: Iterable[SeatView]) -> float:
        """Seconds until the first of them is free."""
        return max(0.0, min(seat.free_at for seat in seats) - self._now)

    def _free_elsewhere(self, lane: Lane) -> bool:
        anywhere = replace(lane, device_class="")
        return any(anywhere.fits(group) for group in self._view.free)

    def _busy_with(self, seats: list[SeatView]) -> str:
        """How many seats are at work, and with what."""
        held = Counter(self._named(seat.running.job_id) for seat in seats if seat.running)
        told = [f"{count} with {name}" for name, count in islice(held.most_common(), NAMED)]
        rest = sum(held.values()) - sum(count for _, count in held.most_common(NAMED))
        told += [f"{rest} with others"] if rest else []
        who = "The replica that could take it is" if len(seats) == 1 else f"All {len(seats)} that could take it are"
        return f"{who} busy ({', '.join(told)})"

    def _named(self, job_id: str) -> str:
        return self._facts.names.get(job_id, job_id)


def _unlabelled(wanted: frozenset[str], seats: Sequence[SeatView]) -> Reason:
    had = frozenset[str]().union(*(seat.features for seat in seats))
    missing, at_once = sorted(wanted - had), ""
    if not missing:
        missing, at_once = sorted(wanted), " at once"
    what = f"the label{'s' if len(missing) > 1 else ''} {_listed(missing)}{at_once}"
    text = f"No node has {what}. Give one with `farm nodes set NODE --label`, or change the job's."
    return Reason(Code.NO_FEATURE, text, {"missing": missing})


def too_large(needs: Needs, seats: Sequence[SeatView]) -> Reason:
    """Told by GPUs, which such a model is for, where there is one."""
    cards = [seat for seat in seats if not seat.on_cpu]
    wanted, largest = needs.memory if cards else needs.host, max(seat.memory for seat in cards or seats)
    where = "" if cards else " without a GPU"
    text = f"No replica has the memory: needs {wanted / GB:.3g} GB{where}, largest free {largest / GB:.3g} GB."
    return Reason(Code.NO_MEMORY, text, {"needs": wanted, "largest": largest})


def about(seconds: float) -> str:
    """A time for people, such as "about 40 s"."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 1:
        return "a moment"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"about {round(seconds / size)} {unit}"
    return f"about {math.ceil(seconds)} s"


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _listed(names: Sequence[str]) -> str:
    """ "a", "a and b", or "a, b and 3 others"."""
    told, rest = list(names[: NAMED + 1]), len(names) - NAMED - 1
    if rest > 0:
        told = [*told[:NAMED], f"{rest + 1} others"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
