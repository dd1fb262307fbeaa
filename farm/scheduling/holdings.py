"""What owners have in seats' hands, counted as seats and jobs come and go."""

from collections import Counter

from .records import Hold, SeatView

MICRO = 1_000_000
"""Sums are kept in millionths, as integers: they come out the same in whatever order things were added."""


class Holdings:
    """Tasks at a time and their work, per owner; tasks per model. What is held for an unknown job counts once it is
    known."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._tasks: Counter[str] = Counter()
        self._work: Counter[str] = Counter()
        self._owner_tasks: Counter[str] = Counter()
        self._owner_work: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def model_tasks(self, family: str) -> int:
        """How many that need this model are in seats' hands, as far as their records are known."""
        return self._models[family]

    def tasks(self, owner: str) -> int:
        """How many the owner's jobs have in seats' hands, those held ahead included."""
        return self._owner_tasks[owner]

    def work(self, owner: str) -> float:
        """Units of the same, as far as their records are known."""
        return self._owner_work[owner] / MICRO

    def owners(self) -> list[str]:
        """Those with anything in a seat's hands."""
        return [name for name, count in self._owner_tasks.items() if count]

    def own(self, job_id: str, owner: str | None) -> None:
        """The job is this owner's from now on; with ``None`` it is nobody's."""
        before = self._owners.pop(job_id, None)
        if before is not None:
            self._move(before, -self._tasks[job_id], -self._work[job_id])
        if owner is not None:
            self._owners[job_id] = owner
            self._move(owner, self._tasks[job_id], self._work[job_id])

    def put(self, seat: SeatView) -> None:
        for hold in (seat.running, seat.ahead):
            self._count(hold, 1)

    def drop(self, seat: SeatView) -> None:
        for hold in (seat.running, seat.ahead):
            self._count(hold, -1)

    def _count(self, hold: Hold | None, sign: int) -> None:
        if hold is None:
            return
        work = sign * round(hold.task.work * MICRO) if hold.task else 0
        if hold.task:
            self._models[hold.task.needs.family] += sign
        self._tasks[hold.job_id] += sign
        self._work[hold.job_id] += work
        if not self._tasks[hold.job_id]:
            del self._tasks[hold.job_id], self._work[hold.job_id]
        owner = self._owners.get(hold.job_id)
        if owner is not None:
            self._move(owner, sign, work)

    def _move(self, owner: str, tasks: int, work: int) -> None:
        self._owner_tasks[owner] += tasks
        self._owner_work[owner] += work
        if not self._owner_tasks[owner]:
            del self._owner_tasks[owner], self._owner_work[owner]
