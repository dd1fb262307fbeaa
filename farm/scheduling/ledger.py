"""The troubles of a farm so far, told one attempt after the other; each is judged by the rules in ``troubles``."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile
from types import MappingProxyType

from farm.jobs.records import FailureKind

from .troubles import (
    FIRST_PROBE,
    Blame,
    avoided,
    blames,
    charges,
    judge_job,
    judge_seat,
    judge_task,
    sickness,
)
from .verdicts import Again, End, Ended, Quarantine, Rest, Seats, Verdict

REMEMBERED_OUTCOMES = 20
"""Of a seat."""
REMEMBERED_FAILURES = 60
"""Of a task."""
REMEMBERED_TASKS, REMEMBERED_SEATS = 20_000, 20_000


class Ledger:
    """The troubles so far: who failed what, and which seats are quarantined. Bounded, and rebuilt from attempts.

    A coordinator tells it of every attempt that ended and does what the verdict says.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, list[Ended]] = {}
        self._seats: dict[str, deque[Ended]] = {}
        self._quarantined: dict[str, Quarantine] = {}

    @classmethod
    def from_rows(cls, rows: Iterable[Ended], seats: Seats) -> "Ledger":
        """As after these attempts, the oldest first, on a farm of these seats."""
        ledger = cls()
        for ended in rows:
            ledger.settle(ended, seats)
        return ledger

    @property
    def quarantined(self) -> Mapping[str, Quarantine]:
        return MappingProxyType(self._quarantined)

    def settle(self, ended: Ended, able: Collection[str]) -> Verdict:
        """Note an attempt's end and judge. ``able``: seats that could take its task, see ``judge_task``."""
        could = frozenset(able)
        if ended.kind is FailureKind.INTERRUPTION:
            again = Again(ended.at, self.avoid(ended.task_id, could))
            return Verdict(again, charges=self.charged(ended.task_id, could))
        clears = self._clears(ended)
        self._note(ended, clears)
        if ended.kind is None:
            well = clears and self._quarantined.pop(ended.seat, None) is not None
            forgiven = {ended.seat: None} if well else {}
            return Verdict(others={**forgiven, **self._judge_others(ended)})
        others = self._judge_others(ended)
        seat = self._judge_seat(ended, could)
        history, sick = self.failures(ended.task_id), self._quarantined.keys()
        return Verdict(
            judge_task(history, sick, could),
            judge_job(history, sick, could),
            seat,
            self.charged(ended.task_id, could),
            others,
        )

    def failures(self, task_id: str) -> list[Ended]:
        """Of the task, without interruptions."""
        return [ended for ended in self._tasks.get(task_id, ()) if ended.kind is not None]

    def charged(self, task_id: str, able: Collection[str]) -> int:
        """How many of them count against it."""
        return len(charges(self.failures(task_id), self._quarantined.keys(), frozenset(able)))

    def avoid(self, task_id: str, able: Collection[str]) -> frozenset[str]:
        """Seats that the task should not go to now. Ask again when seats come and go."""
        return avoided(self.failures(task_id), self._quarantined.keys(), frozenset(able))

    def forget_job(self, job_id: str) -> None:
        """A person started the job again, or deleted it: its failures count against nobody any more."""
        for task_id in [task_id for task_id, history in self._tasks.items() if history[0].job_id == job_id]:
            del self._tasks[task_id]
        for seat, outcomes in self._seats.items():
            kept = [ended for ended in outcomes if ended.kind is None or ended.job_id != job_id]
            self._seats[seat] = deque(kept, REMEMBERED_OUTCOMES)

    def forget_seat(self, seat: str) -> None:
        """The seat is gone for good, or a person says that it is mended."""
        self._seats.pop(seat, None)
        self._quarantined.pop(seat, None)

    def proven(self, seat: str, model: bool) -> bool:
        """Whether it has finished something, with a ``model`` if it is there for such, and not failed since by what may
        be its own fault. Until then it should have no more than one task in its hands."""
        done = any(ended.kind is None and (ended.model or not model) for ended in self._seats.get(seat, ()))
        return done and not self._blames(seat)

    def _clears(self, ended: Ended) -> bool:
        """Whether it says something about its seat. A broken device still exports videos: a success without a model
        doesn't make up for failures with one."""
        failed = takewhile(lambda other: other.kind is not None, reversed(self._seats.get(ended.seat, ())))
        return ended.kind is not None or ended.model or not any(other.model for other in failed)

    def _note(self, ended: Ended, clears: bool) -> None:
        if clears:
            self._seats.setdefault(ended.seat, deque(maxlen=REMEMBERED_OUTCOMES)).append(ended)
        if ended.kind is None and ended.task_id not in self._tasks:
            return  # finished at once: it will never tell anything about a seat
        history = self._tasks.setdefault(ended.task_id, [])
        history.append(ended)
        del history[:-REMEMBERED_FAILURES]
        if len(self._tasks) > REMEMBERED_TASKS:
            del self._tasks[next(iter(self._tasks))]
        if len(self._seats) > REMEMBERED_SEATS:
            self.forget_seat(next(iter(self._seats)))

    def _blames(self, seat: str) -> list[Blame]:
        return blames(self._seats.get(seat, ()), self._tasks, self._quarantined.keys())

    def _judge_seat(self, ended: Ended, able: Seats) -> Rest | Quarantine | End | None:
        before = self._quarantined.get(ended.seat)
        alone = not able - self._quarantined.keys() - {ended.seat}
        verdict = judge_seat(self._seats[ended.seat], self._blames(ended.seat), before, alone)
        then = verdict.then if isinstance(verdict, End) else verdict
        if isinstance(then, Quarantine):
            self._quarantined[ended.seat] = then
        return verdict

    def _judge_others(self, ended: Ended) -> dict[str, Quarantine | None]:
        """Seats that failed the same task: it was finished elsewhere, or it fails everywhere."""
        changed: dict[str, Quarantine | None] = {}
        for seat in sorted({other.seat for other in self._tasks.get(ended.task_id, ())} - {ended.seat}):
            why, before = sickness(self._blames(seat)), self._quarantined.get(seat)
            if ended.kind is None and why and before is None:
                self._quarantined[seat] = changed[seat] = Quarantine(why, ended.at + FIRST_PROBE)
            elif ended.kind is not None and not why and before is not None and not before.probes:
                del self._quarantined[seat]
                changed[seat] = None
        return changed
