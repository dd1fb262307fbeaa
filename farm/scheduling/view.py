"""What a decision sees: jobs, ready tasks, seats and owners as plain records, with the indices that keep a look cheap.

The records say what is; who changes anything puts a new record in the old one's place. Times are seconds of the clock
that the caller uses. Work is in *units*: the seconds that a device of speed 1 would take for it.
"""

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from farm.jobs.records import TaskKind

from .urgency import Key, job_key

ALL_KINDS = frozenset(TaskKind)


class SeatState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """It finishes what it holds and takes nothing more."""
    RESTING = "resting"
    """It failed a moment ago; it is asked again later."""
    QUARANTINED = "quarantined"
    """It fails what others finish; it only gets probes until one succeeds."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a device must have for a task. ``family``: of the model, "" for none; ``memory`` in bytes."""

    family: str = ""
    memory: float = 0.0
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JobView:
    """A job that may run.

    ``priority``: higher first; ``submitted``, ``deadline``: clock seconds; ``remaining``: units of all its tasks that are
    not done; ``device_class``: where its sections have been rendered so far, "" while none was; ``mixing``: its owner
    allows several device classes in one video. ``rank``: place that a person gave it, lower first.
    """

    id: str
    owner: str = ""
    priority: int = 0
    submitted: float = 0.0
    deadline: float | None = None
    remaining: float = 0.0
    device_class: str = ""
    mixing: bool = False
    rank: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task that could start now.

    ``work``: units; ``chain``: units of the longest chain from its start to its job's end, itself included;
    ``failed_on``: seats that failed it; ``inputs_on``: nodes that hold what it reads; ``since``: when it became ready;
    ``not_before``: it waits until then.
    """

    id: str
    job_id: str
    kind: TaskKind = TaskKind.SECTION
    needs: Needs = Needs()
    work: float = 1.0
    chain: float = 1.0
    failed_on: frozenset[str] = frozenset()
    inputs_on: frozenset[str] = frozenset()
    since: float = 0.0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """An attempt in a seat's hands: ``ends`` is when it should be done."""

    task_id: str
    job_id: str
    ends: float


@dataclass(frozen=True, slots=True)
class SeatView:
    """A place that works on one task at a time: a replica on a device, or a CPU seat.

    ``speed``: units a second; ``takes``: kinds of tasks that it is for; ``spares``: kinds that it takes only while it has
    nothing of its own; ``models``: families in its memory; ``running`` and ``ahead``: what it does, and what it does next.
    """

    id: str
    node: str = ""
    device_class: str = "cpu"
    speed: float = 1.0
    memory: float = math.inf
    features: frozenset[str] = frozenset()
    takes: frozenset[TaskKind] = ALL_KINDS
    spares: frozenset[TaskKind] = frozenset()
    models: frozenset[str] = frozenset()
    state: SeatState = SeatState.READY
    running: Hold | None = None
    ahead: Hold | None = None

    @property
    def free(self) -> bool:
        """Whether it could start something at once."""
        return self.state is SeatState.READY and self.running is None

    @property
    def free_at(self) -> float:
        """When it will have done all that it holds; minus infinity when that is now."""
        last = self.ahead or self.running
        return last.ends if last else -math.inf

    def suits(self, needs: Needs) -> bool:
        """Whether a device like this can hold the task at all."""
        return needs.memory <= self.memory and needs.features <= self.features


@dataclass(frozen=True, slots=True)
class OwnerView:
    """Somebody with jobs. ``weight``: of the share; ``used``: units so far over weight, see ``shares``;
    ``limit``: most tasks at a time."""

    name: str
    weight: float = 1.0
    used: float = 0.0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What a decision sees of a free seat, besides its node: it looks at groups, however many seats are in each."""

    device_class: str
    speed: float
    memory: float
    features: frozenset[str]
    takes: frozenset[TaskKind]
    spares: frozenset[TaskKind]
    models: frozenset[str]

    @classmethod
    def of(cls, seat: SeatView) -> "Group":
        return cls(seat.device_class, seat.speed, seat.memory, seat.features, seat.takes, seat.spares, seat.models)


T = TypeVar("T")


class Sorted(Generic[T]):
    """Names in the order of their keys; names with equal keys in their own."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, str]] = []
        self._keys: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def __getitem__(self, index: int) -> str:
        return self._entries[index][1]

    def key(self, index: int) -> T:
        """That of the name at ``index``."""
        key: T = self._entries[index][0]
        return key

    def put(self, name: str, key: T) -> None:
        if self._keys.get(name) == key and name in self._keys:
            return
        self.drop(name)
        self._keys[name] = key
        insort(self._entries, (key, name))

    def drop(self, name: str) -> None:
        if name in self._keys:
            key = self._keys.pop(name)
            del self._entries[bisect_left(self._entries, (key, name))]


class FarmView:
    """All that ``decide`` sees, which only reads it. Records are put in, replaced and dropped one by one.

    A task may come before its job, which then has no place yet.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, JobView] = {}
        self._tasks: dict[str, TaskView] = {}
        self._seats: dict[str, SeatView] = {}
        self._owners: dict[str, OwnerView] = {}
        self._ready: dict[str, Sorted[float]] = defaultdict(Sorted)
        self._queues: dict[str, Sorted[Key]] = defaultdict(Sorted)
        self._chains: dict[str, Sorted[float]] = defaultdict(Sorted)
        self._free: dict[Group, Sorted[str]] = {}
        self._busy: dict[tuple[str, float], Sorted[float]] = defaultdict(Sorted)

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
        """Free seats by what tells them apart."""
        return MappingProxyType(self._free)

    @property
    def busy(self) -> Mapping[tuple[str, float], Sorted[float]]:
        """Seats at work, by device class and speed, in the order in which they will be free."""
        return MappingProxyType(self._busy)

    def ready(self, job_id: str) -> Sequence[str] | Sorted[float]:
        """The job's ready tasks, the longest chain first."""
        return self._ready.get(job_id, ())

    def queue(self, owner: str) -> Sequence[str] | Sorted[Key]:
        """The owner's jobs that have ready tasks, the most urgent first."""
        return self._queues.get(owner, ())

    def longest(self, owner: str) -> Sequence[str] | Sorted[float]:
        """The same jobs, the longest chain of a ready task first."""
        return self._chains.get(owner, ())

    def waiting_owners(self) -> list[str]:
        """Those with ready tasks."""
        return [name for name, queue in self._queues.items() if queue]

    def put_owner(self, owner: OwnerView) -> None:
        self._owners[owner.name] = owner

    def drop_owner(self, name: str) -> None:
        self._owners.pop(name, None)

    def put_job(self, job: JobView) -> None:
        before = self._jobs.get(job.id)
        if before is not None and before.owner != job.owner:
            self._unqueue(before)
        self._jobs[job.id] = job
        self._owners.setdefault(job.owner, OwnerView(job.owner))
        self._place(job.id)

    def drop_job(self, job_id: str) -> None:
        """Forget the job; its tasks stay until they are dropped."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._unqueue(job)

    def put_task(self, task: TaskView) -> None:
        self._tasks[task.id] = task
        self._ready[task.job_id].put(task.id, -task.chain)
        self._place(task.job_id)

    def drop_task(self, task_id: str) -> None:
        task = self._tasks.pop(task_id, None)
        if task is None:
            return
        ready = self._ready[task.job_id]
        ready.drop(task_id)
        if not ready:
            del self._ready[task.job_id]
        self._place(task.job_id)

    def put_seat(self, seat: SeatView) -> None:
        self.drop_seat(seat.id)
        self._seats[seat.id] = seat
        if seat.free:
            self._free.setdefault(Group.of(seat), Sorted()).put(seat.id, seat.node)
        elif seat.running is not None:
            self._busy[seat.device_class, seat.speed].put(seat.id, seat.free_at)

    def drop_seat(self, seat_id: str) -> None:
        seat = self._seats.pop(seat_id, None)
        if seat is None:
            return
        group = Group.of(seat)
        if group in self._free:
            self._free[group].drop(seat_id)
            if not self._free[group]:
                del self._free[group]
        self._busy[seat.device_class, seat.speed].drop(seat_id)

    def _place(self, job_id: str) -> None:
        job, ready = self._jobs.get(job_id), self._ready.get(job_id)
        if job is None:
            return
        if not ready:
            self._unqueue(job)
            return
        self._queues[job.owner].put(job_id, job_key(job))
        self._chains[job.owner].put(job_id, ready.key(0))

    def _unqueue(self, job: JobView) -> None:
        self._queues[job.owner].drop(job.id)
        self._chains[job.owner].drop(job.id)
