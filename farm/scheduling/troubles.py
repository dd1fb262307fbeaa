"""What becomes of a failed attempt, of its task, its job and its seat. All the rules are here.

A *seat* is a place, such as a device of a node, not the process in it: a sick device stays known when its process is
replaced. Everything is decided by kinds of failure; messages are only passed on to people.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from farm.jobs.records import HOPELESS, FailureKind

from .lanes import Lane
from .verdicts import Again, End, Ended, Fails, History, Pause, Quarantine, Rest, Seats
from .view import FarmView, Group, JobView, SeatState, TaskView

DISTINCT_SEATS = 3
"""A task fails its job once so many seats failed it, or after so many failures where there are fewer seats."""
MOST_CHARGES = 9
"""... and after so many failures in any case, wherever they were."""
FREE_LOSSES = 5
"""How often a task may take its process or device down before that counts as its own failure."""
SCARCE_SEATS = 8
"""A task that meets scarce resources on so many seats in a row needn't see the others."""
SICK_TASKS, SICK_JOBS = 3, 2
"""A seat that fails so many tasks of so many jobs in a row is sick."""
PROVEN_TASKS = 2
"""... and one that fails so many in a row which another seat finished then."""
FIRST_REST, LONGEST_REST = 0.5, 60.0
FIRST_PROBE, LONGEST_PROBE = 60.0, 1800.0

SCARCE = frozenset({FailureKind.RESOURCES, FailureKind.REPLICA})
"""What a person may have to mend."""
DEATHS = frozenset({FailureKind.LOST, FailureKind.DEVICE})
"""What ended a process, by the task's fault or not."""
INNOCENT_SEAT = HOPELESS | {FailureKind.INTERRUPTION}
PASSING = DEATHS | {FailureKind.NEVER_STARTED, FailureKind.DAMAGED, FailureKind.INTERRUPTION}
"""Attempts that say nothing of what the task would have met."""
NO_REST = INNOCENT_SEAT | {FailureKind.TASK, FailureKind.DAMAGED}
"""After these a seat takes its next task at once."""


def could_take(task: TaskView, job: JobView, view: FarmView) -> frozenset[str]:
    """Seats that could take the task now or after a rest; those that only start or drain may never come to it."""
    lane, there = Lane.of(task, job), (SeatState.READY, SeatState.RESTING, SeatState.QUARANTINED)
    seats = (seat for seat in view.seats.values() if seat.state in there and lane.fits(Group.of(seat)))
    return frozenset(seat.id for seat in seats)


def forgives(history: History, quarantined: Seats, able: Seats) -> list[Ended]:
    """What may count against a task: not what quarantined seats failed, as long as another seat could take it."""
    return [ended for ended in history if ended.seat not in quarantined] if able - quarantined else list(history)


def charges(history: History, quarantined: Seats, able: Seats) -> list[Ended]:
    """What does count: the task's own failures, and deaths beyond the free ones."""
    counted, free = [], FREE_LOSSES
    for ended in forgives(history, quarantined, able):
        if ended.kind in DEATHS:
            free -= 1
        if ended.kind is FailureKind.TASK or (ended.kind in DEATHS and free < 0):
            counted.append(ended)
    return counted


def avoided(history: History, quarantined: Seats, able: Seats) -> frozenset[str]:
    """Seats that the task should not go to next: those that failed it more often than others of the able ones."""
    tries = Counter(ended.seat for ended in history if ended.kind is not FailureKind.DAMAGED)
    least = min((tries[seat] for seat in able - quarantined), default=None)
    return frozenset() if least is None else frozenset(seat for seat, count in tries.items() if count > least)


def judge_task(history: History, quarantined: Seats, able: Seats) -> Again | Fails:
    """What becomes of a task whose newest failure is the last of ``history``.

    Args:
        history: its failures.
        quarantined: such seats.
        able: seats that could take it, whether busy or not, quarantined ones too; see ``could_take``.
    """
    last = history[-1]
    if last.kind in HOPELESS:
        return Fails(last.message)
    charged = charges(history, quarantined, able)
    seats = {ended.seat for ended in charged}
    everywhere = _sound(quarantined, able, last.seat) <= seats
    enough = len(seats) >= DISTINCT_SEATS or len(charged) >= (DISTINCT_SEATS if everywhere else MOST_CHARGES)
    if enough and last in charged:
        where = f" on {len(seats)} replicas" if len(seats) > 1 else ""
        return Fails(f"failed {len(charged)} times{where}: {last.message}")
    row = _newest(history, lambda ended: ended.kind is FailureKind.NEVER_STARTED)
    not_before = last.at + (_doubling(FIRST_REST, len(row), LONGEST_REST) if row else 0.0)
    return Again(not_before, avoided(history, quarantined, able))


def judge_job(history: History, quarantined: Seats, able: Seats) -> Pause | None:
    """Whether a person should mend something first: no seat is left to try, and resources were scarce twice.

    Twice means on two seats, or twice in a row on one; attempts that died early don't tell.
    """
    last, counted = history[-1], forgives(history, quarantined, able)
    if last.kind not in SCARCE:
        return None
    tried = {ended.seat for ended in counted}
    telling: dict[str, list[bool]] = {}
    for ended in counted:
        if ended.kind not in PASSING:
            telling.setdefault(ended.seat, []).append(ended.kind in SCARCE)
    stuck = [scarce for scarce in telling.values() if scarce[-1]]
    twice = len(stuck) > 1 or any(scarce[-2:] == [True, True] for scarce in stuck)
    if twice and (_sound(quarantined, able, last.seat) <= tried or len(stuck) >= SCARCE_SEATS):
        return Pause(f"{last.message} Mend this, then go on with the job.".lstrip())
    return None


# Seats


@dataclass(frozen=True, slots=True)
class Blame:
    """A failure that may be the seat's own. ``proven``: another seat finished the task since."""

    ended: Ended
    proven: bool


def blames(outcomes: History, others: Mapping[str, History], quarantined: Seats) -> list[Blame]:
    """The failures in a row at a seat's end that may be its own, the newest first.

    What a seat in good standing failed too is the task's fault, unless yet another finished it.

    Args:
        outcomes: the seat's.
        others: per task, what failed or finished it anywhere.
        quarantined: such seats.
    """
    row = []
    for ended in reversed(outcomes):
        if ended.kind is None:
            break
        if ended.kind in INNOCENT_SEAT:
            continue
        elsewhere = [other for other in others.get(ended.task_id, ()) if other.seat != ended.seat]
        proven = any(other.kind is None and other.at >= ended.at for other in elsewhere)
        shared = any(other.kind is not None and other.seat not in quarantined for other in elsewhere)
        if proven or not shared:
            row.append(Blame(ended, proven))
    return row


def sickness(row: Sequence[Blame]) -> str:
    """Why a seat with these failures in a row is taken for sick; "" when it is not."""
    tasks, jobs = {blame.ended.task_id for blame in row}, {blame.ended.job_id for blame in row}
    proven = {blame.ended.task_id for blame in row if blame.proven}
    if len(row) > 1 and all(blame.ended.kind is FailureKind.REPLICA for blame in row[:2]):
        why = "it could not work twice in a row"
    elif len(proven) >= PROVEN_TASKS:
        why = f"it failed {len(proven)} tasks in a row that other replicas finished"
    elif len(tasks) >= SICK_TASKS and len(jobs) >= SICK_JOBS:
        why = f"it failed {len(tasks)} tasks of {len(jobs)} jobs in a row"
    else:
        return ""
    message = row[0].ended.message
    return f"{why}: {message}" if message else why


def judge_seat(
    outcomes: History, row: Sequence[Blame], before: Quarantine | None, alone: bool
) -> Rest | Quarantine | End | None:
    """What becomes of a seat whose newest outcome is a failure.

    Args:
        outcomes: the seat's.
        row: those of them that ``blames`` found.
        before: its quarantine so far.
        alone: no seat in good standing could take its work over; then it rests, and is never quarantined.
    """
    last = outcomes[-1]
    blamed = bool(row) and row[0].ended == last
    why = sickness(row) if blamed else ""
    then: Rest | Quarantine | None = None
    if before is not None:
        then = _probe_again(last, before, blamed)
    elif why and not alone:
        then = Quarantine(why, last.at + FIRST_PROBE)
    elif why or last.kind not in NO_REST:
        failed = _newest(outcomes, lambda ended: ended.kind is not None)
        then = Rest(last.at + _doubling(FIRST_REST, len(failed), LONGEST_REST), why or last.message)
    return End(last.message, then) if last.kind is FailureKind.DEVICE else then


def _probe_again(last: Ended, before: Quarantine, blamed: bool) -> Quarantine:
    probes = before.probes + blamed
    return Quarantine(before.reason, last.at + _doubling(FIRST_PROBE, probes + 1, LONGEST_PROBE), probes)


def _sound(quarantined: Seats, able: Seats, last: str) -> Seats:
    """The seats that count: those in good standing, else all that could take the task, else the one that did."""
    return (able - quarantined) or able or {last}


def _newest(history: History, which: Callable[[Ended], bool]) -> list[Ended]:
    """Those at the end that are such, the newest first."""
    return list(takewhile(which, reversed(history)))


def _doubling(first: float, times: int, longest: float) -> float:
    return min(longest, first * 2.0 ** min(times - 1, 30))
