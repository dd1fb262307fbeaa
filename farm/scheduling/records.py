"""What a decision sees, as plain records: jobs, ready tasks, seats and owners.

Times are seconds of the clock that the caller uses. Work is in *units*: seconds on a device of speed 1.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from farm.jobs.assets import NOTHING, Assets
from farm.jobs.records import TaskKind

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
    """What a device must have for a task. ``family``: of the model, "" for none; ``memory`` in bytes; ``host``: the
    same where a CPU does it, which holds the whole model; ``features``: such as labels of its node; ``assets``: on its
    disk."""

    family: str = ""
    memory: float = 0.0
    features: frozenset[str] = frozenset()
    host: float = 0.0
    assets: Assets = NOTHING

    def fit(self, memory: float, on_cpu: bool) -> bool:
        """Whether so much memory is enough."""
        return (self.host if on_cpu else self.memory) <= memory

    def found_in(self, assets: Assets | None) -> bool:
        """Whether a node with these has all that is needed; one of which nobody knows is taken to."""
        return assets is None or self.assets <= assets


@dataclass(frozen=True, slots=True)
class JobView:
    """A job that may run.

    ``priority``: higher first; ``submitted``, ``deadline``: clock seconds; ``remaining``: units of all its tasks that
    are not done; ``device_class``: where its sections have been rendered so far, "" while none was; ``mixing``: its
    owner allows several device classes in one video. ``rank``: place that a person gave it, lower first.
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
    """An attempt in a seat's hands: ``ends`` is when it should be done.

    ``task``: the record with which it was ready; with it, its owner is charged for it while it runs, and what is held
    ahead can go to a faster seat. Without it the caller must charge its owner when it starts.
    """

    task_id: str
    job_id: str
    ends: float
    task: TaskView | None = None


@dataclass(frozen=True, slots=True)
class SeatView:
    """A place that works on one task at a time: a replica on a device, or a CPU seat.

    ``speed``: units a second, ``pace`` times those of its class; ``memory`` in bytes, of the host where ``on_cpu``;
    ``features``: what its node has; ``takes``: kinds of tasks that it is for; ``spares``: kinds that it takes only
    while it has nothing of its own; ``models``: families in its memory; ``running``, ``ahead``: what it does, and what
    then; ``assets``: what its node has on its disk, None when nobody knows; ``proven``: it may hold a task for later.
    """

    id: str
    node: str = ""
    device_class: str = "cpu"
    speed: float = 1.0
    memory: float = math.inf
    features: frozenset[str] = frozenset()
    on_cpu: bool = False
    takes: frozenset[TaskKind] = ALL_KINDS
    spares: frozenset[TaskKind] = frozenset()
    models: frozenset[str] = frozenset()
    state: SeatState = SeatState.READY
    running: Hold | None = None
    ahead: Hold | None = None
    assets: Assets | None = None
    pace: float = 1.0
    proven: bool = True

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
        fits = needs.fit(self.memory, self.on_cpu) and needs.features <= self.features
        return fits and needs.found_in(self.assets)


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
    """What a decision sees of a seat, besides its node: it looks at groups, however many seats are in each."""

    device_class: str
    speed: float
    memory: float
    features: frozenset[str]
    on_cpu: bool
    takes: frozenset[TaskKind]
    spares: frozenset[TaskKind]
    models: frozenset[str]
    assets: Assets | None = None
    pace: float = 1.0

    @classmethod
    def of(cls, seat: SeatView) -> "Group":
        has = (seat.memory, seat.features, seat.on_cpu)
        kinds = (seat.takes, seat.spares)
        return cls(seat.device_class, seat.speed, *has, *kinds, seat.models, seat.assets, seat.pace)
