"""The farm as a decision sees it: the records, with the indices that keep a look cheap.

The records say what is; who changes anything puts a new record in the old one's place.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from farm.jobs.records import TaskKind

from .holdings import MICRO, Holdings
from .lanes import Lane, Queue
from .records import (
    ALL_KINDS,
    Group,
    Hold,
    JobView,
    Needs,
    OwnerView,
    SeatState,
    SeatView,
    TaskView,
)
from .sorting import Sorted
from .urgency import job_key

__all__ = [
    "ALL_KINDS",
    "FarmView",
    "Group",
    "Hold",
    "JobView",
    "Needs",
    "OwnerView",
    "SeatState",
    "SeatView",
    "Sorted",
    "TaskView",
]

K = TypeVar("K")
T = TypeVar("T")

NO_QUEUES: Mapping[Lane, Queue] = MappingProxyType({})
NO_TASKS: Sorted[float] = Sorted()


class FarmView:
    """All that ``decide`` sees, which only reads it. Records are put in, replaced and dropped one by one.

    A task may come before its job, which then has no place yet.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, JobView] = {}
        self._tasks: dict[str, TaskView] = {}
        self._seats: dict[str, SeatView] = {}
        self._groups: dict[str, Group] = {}
        self._owners: dict[str, OwnerView] = {}
        self._ready: dict[str, dict[str, TaskView]] = defaultdict(dict)
        self._chains: dict[str, dict[Lane, Sorted[float]]] = {}
        self._queues: dict[str, dict[Lane, Queue]] = {}
        self._waiting: Counter[Lane] = Counter()
        self._free: dict[Group, Sorted[str]] = {}
        self._busy: dict[tuple[str, float], Sorted[float]] = {}
        self._able: Counter[Group] = Counter()
        self._holding_ahead: set[str] = set()
        self._backlog = 0
        self.holdings = Holdings()
        """What owners have in seats' hands."""
        self.model_limits: Mapping[str, int] = {}
        """Most tasks at a time that need a model, by its family."""

    @property
    def jobs(self) -> Mapping[str, JobView]:
        return MappingProxyType(self._jobs)

    @property
    def tasks(self) -> Mapping[str, TaskView]:
        return MappingProxyType(self._tasks)

    @property
    def seats(self) -> Mapping[str, SeatView]:
        return MappingProxyType(self._seats)

    @property
    def owners(self) -> Mapping[str, OwnerView]:
        return MappingProxyType(self._owners)

    @property
    def free(self) -> Mapping[Group, Sorted[str]]:
        """Free seats by what tells them apart, in the order of their nodes."""
        return MappingProxyType(self._free)

    @property
    def busy(self) -> Mapping[tuple[str, float], Sorted[float]]:
        """Seats at work, by device class and speed, in the order in which they will be free."""
        return MappingProxyType(self._busy)

    @property
    def groups(self) -> Mapping[str, Group]:
        """What tells each seat apart from others."""
        return MappingProxyType(self._groups)

    @property
    def able(self) -> Mapping[Group, int]:
        """How many seats are ready, free or at work, by what tells them apart."""
        return MappingProxyType(self._able)

    @property
    def waiting(self) -> Mapping[Lane, int]:
        """How many tasks of jobs are ready, by lane."""
        return MappingProxyType(self._waiting)

    @property
    def holding_ahead(self) -> list[str]:
        """Seats that hold a task for later."""
        return sorted(self._holding_ahead)

    @property
    def backlog(self) -> float:
        """Units of everything that is not done, of all jobs."""
        return self._backlog / MICRO

    def ready(self, job_id: str) -> list[str]:
        """The job's ready tasks, the longest chain first."""
        return sorted(self._ready.get(job_id, ()), key=lambda name: (-self._tasks[name].chain, name))

    def queues(self, owner: str) -> Mapping[Lane, Queue]:
        """The owner's jobs that have ready tasks, by lane."""
        return self._queues.get(owner, NO_QUEUES)

    def chains(self, job_id: str, lane: Lane) -> Sorted[float]:
        """The job's ready tasks in a lane, the longest chain first: their keys are minus the chain."""
        return self._chains[job_id].get(lane, NO_TASKS) if job_id in self._chains else NO_TASKS

    def waiting_owners(self) -> list[str]:
        """Those with ready tasks."""
        return list(self._queues)

    def put_owner(self, owner: OwnerView) -> None:
        self._owners[owner.name] = owner

    def drop_owner(self, name: str) -> None:
        self._owners.pop(name, None)

    def put_job(self, job: JobView) -> None:
        before = self._jobs.get(job.id)
        moved = before is None or (before.owner, before.device_class, before.mixing) != (
            job.owner,
            job.device_class,
            job.mixing,
        )
        if before is not None and moved:
            self._unqueue(before)
        self._backlog += round(job.remaining * MICRO) - (round(before.remaining * MICRO) if before else 0)
        self._jobs[job.id] = job
        self._owners.setdefault(job.owner, OwnerView(job.owner))
        if before is None or before.owner != job.owner:
            self.holdings.own(job.id, job.owner)
        if moved:
            for task in self._ready.get(job.id, {}).values():
                self._enqueue(job, task)
        else:
            for lane, tasks in self._chains.get(job.id, {}).items():
                self._queues[job.owner][lane].put(job, job_key(job), -tasks.key(0))

    def drop_job(self, job_id: str) -> None:
        """Forget the job; its tasks stay until they are dropped."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._unqueue(job)
            self._backlog -= round(job.remaining * MICRO)
            self.holdings.own(job_id, None)

    def put_task(self, task: TaskView) -> None:
        self.drop_task(task.id)
        self._tasks[task.id] = task
        self._ready[task.job_id][task.id] = task
        job = self._jobs.get(task.job_id)
        if job is not None:
            self._enqueue(job, task)

    def drop_task(self, task_id: str) -> None:
        task = self._tasks.pop(task_id, None)
        if task is None:
            return
        tasks = self._ready[task.job_id]
        del tasks[task_id]
        if not tasks:
            del self._ready[task.job_id]
        job = self._jobs.get(task.job_id)
        if job is not None:
            self._dequeue(job, task)

    def put_seat(self, seat: SeatView) -> None:
        self.drop_seat(seat.id)
        self._seats[seat.id] = seat
        self._groups[seat.id] = group = Group.of(seat)
        self.holdings.put(seat)
        if seat.state is SeatState.READY:
            self._able[group] += 1
            if seat.running is None:
                self._free.setdefault(group, Sorted()).put(seat.id, seat.node)
        if seat.running is not None:
            self._busy.setdefault((seat.device_class, seat.speed), Sorted()).put(seat.id, seat.free_at)
        if seat.ahead is not None:
            self._holding_ahead.add(seat.id)

    def drop_seat(self, seat_id: str) -> None:
        seat = self._seats.pop(seat_id, None)
        if seat is None:
            return
        group = self._groups.pop(seat_id)
        self.holdings.drop(seat)
        self._holding_ahead.discard(seat_id)
        if seat.state is SeatState.READY:
            self._able[group] -= 1
            if not self._able[group]:
                del self._able[group]
            if seat.running is None:
                _drop_from(self._free, group, seat_id)
        if seat.running is not None:
            _drop_from(self._busy, (seat.device_class, seat.speed), seat_id)

    def _enqueue(self, job: JobView, task: TaskView) -> None:
        lane = Lane.of(task, job)
        tasks = self._chains.setdefault(job.id, {}).setdefault(lane, Sorted())
        tasks.put(task.id, -task.chain)
        self._waiting[lane] += 1
        queue = self._queues.setdefault(job.owner, {}).setdefault(lane, Queue())
        queue.put(job, job_key(job), -tasks.key(0))

    def _dequeue(self, job: JobView, task: TaskView) -> None:
        lane = Lane.of(task, job)
        tasks = self._chains[job.id][lane]
        tasks.drop(task.id)
        self._count(lane, -1)
        if tasks:
            self._queues[job.owner][lane].put(job, job_key(job), -tasks.key(0))
        else:
            self._close(job, lane)

    def _unqueue(self, job: JobView) -> None:
        for lane, tasks in list(self._chains.get(job.id, {}).items()):
            self._count(lane, -len(tasks))
            self._close(job, lane)

    def _close(self, job: JobView, lane: Lane) -> None:
        """The job has no task in the lane any more."""
        del self._chains[job.id][lane]
        if not self._chains[job.id]:
            del self._chains[job.id]
        queues = self._queues[job.owner]
        queues[lane].drop(job.id)
        if not queues[lane].jobs:
            del queues[lane]
        if not queues:
            del self._queues[job.owner]

    def _count(self, lane: Lane, change: int) -> None:
        self._waiting[lane] += change
        if not self._waiting[lane]:
            del self._waiting[lane]

    def section_speeds(self) -> dict[float, int]:
        """How many ready seats that are for sections there are, by speed; all seats when none is for sections."""
        counts: Counter[float] = Counter()
        for group, seats in self._able.items():
            if TaskKind.SECTION in group.takes and TaskKind.SECTION not in group.spares:
                counts[group.speed] += seats
        if not counts:
            for group, seats in self._able.items():
                counts[group.speed] += seats
        return dict(counts)


def _drop_from(index: dict[K, Sorted[T]], key: K, name: str) -> None:
    index[key].drop(name)
    if not index[key]:
        del index[key]
