"""What a task will take on a device: measured where that was done before, estimated by its size where not."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from farm.jobs.records import TaskKind

from .view import Group, TaskView

LOAD_SECONDS = 45.0
MOVE_SECONDS = 4.0
NEWEST = 32
"""So many measurements of a kind are remembered; older ones say little about today's drivers and models."""
ENOUGH = 8
"""From so many measurements on they are believed alone; fewer are blended with the estimate by size."""
FARTHEST = 8.0
"""A measurement so many times off the median counts as that far off: the machine slept, or the clock jumped."""
UNSURE = 2.0
"""An estimate by size may be so many times off, either way."""


class Costs(Protocol):
    """Seconds, as expected."""

    def run(self, task: TaskView, on: Group) -> float:
        """Of the task itself on such a seat."""

    def load(self, family: str, on: Group) -> float:
        """Of bringing a model into the memory of such a seat; 0 when it is there."""

    def move(self, task: TaskView, node: str) -> float:
        """Of bringing the task's inputs to a node; 0 when they are there."""


class RangedCosts(Costs, Protocol):
    """Costs that know how sure they are."""

    def range(self, task: TaskView, on: Group) -> tuple[float, float]:
        """Seconds of the task itself that nine of ten such tasks exceed, and that nine of ten stay below."""


class SizeCosts:
    """By size alone: units over speed, and the same constants for every model."""

    def __init__(self, load: float = LOAD_SECONDS, move: float = MOVE_SECONDS) -> None:
        self._load, self._move = load, move

    def run(self, task: TaskView, on: Group) -> float:
        return task.work / on.speed

    def range(self, task: TaskView, on: Group) -> tuple[float, float]:
        seconds = self.run(task, on)
        return seconds / UNSURE, seconds * UNSURE

    def load(self, family: str, on: Group) -> float:
        return 0.0 if not family or family in on.models else self._load

    def move(self, task: TaskView, node: str) -> float:
        return 0.0 if not task.inputs_on or node in task.inputs_on else self._move


@dataclass(frozen=True, slots=True)
class Measured:
    """What a finished attempt took. ``kind``: None for the loading of a model; ``work``: units, 1 for a loading."""

    kind: TaskKind | None
    family: str
    device_class: str
    work: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds a unit: that one of ten, a half, and nine of ten stay below."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> "Rate":
        return Rate(self.low * factor, self.middle * factor, self.high * factor)

    def toward(self, other: "Rate", share: float) -> "Rate":
        """Between the two by ratio, not by difference: an estimate that is 100 times off must fade soon."""

        def between(a: float, b: float) -> float:
            return math.exp((1 - share) * math.log(a) + share * math.log(b))

        return Rate(between(self.low, other.low), between(self.middle, other.middle), between(self.high, other.high))


class Recent:
    """The newest measurements of one thing."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=NEWEST)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    def add(self, value: float) -> None:
        self._values.append(value)

    @property
    def share(self) -> float:
        """How far they are believed, 0 to 1."""
        return 1.0 if len(self) >= ENOUGH else len(self) / (len(self) + 1)

    def rate(self) -> Rate:
        """Their quantiles. The median is the lower one of two: what spoils a measurement makes it longer."""
        values = sorted(self._values)
        middle = values[(len(values) - 1) // 2]
        near = [min(max(value, middle / FARTHEST), middle * FARTHEST) for value in values]
        return Rate(min(middle, _quantile(near, 0.1)), middle, max(middle, _quantile(near, 0.9)))


class MeasuredCosts:
    """By what finished attempts took, per kind of task, family and device class; a seat of another pace than its class
    takes as many times more or less.

    What was not measured on a class yet takes the estimate by size over the class's speed, times what the same kind
    of task and family took more than estimated on other classes.

    Args:
        reference: the device class of speed 1, in whose seconds units are counted.
        speeds: device classes' speeds as far as they are known beforehand.
        prior: estimates by size.
    """

    def __init__(
        self, reference: str = "", speeds: Mapping[str, float] | None = None, prior: RangedCosts | None = None
    ) -> None:
        self._reference = reference
        self._speeds = dict(speeds or {})
        self._prior: RangedCosts = prior or SizeCosts()
        self._runs: dict[tuple[TaskKind, str], dict[str, Recent]] = {}
        self._loads: dict[str, dict[str, Recent]] = {}
        self._known: dict[tuple[TaskKind, str, str], tuple[Rate | None, float, float]] = {}
        self._speed: dict[str, float] = {}

    @classmethod
    def from_rows(
        cls, rows: Iterable[Measured], reference: str = "", speeds: Mapping[str, float] | None = None
    ) -> "MeasuredCosts":
        """Learn from finished attempts, the oldest first."""
        costs = cls(reference, speeds)
        for row in rows:
            if row.kind is None:
                costs.observe_load(row.family, row.device_class, row.seconds)
            else:
                costs.observe(row.kind, row.family, row.device_class, row.work, row.seconds)
        return costs

    def to_rows(self) -> list[Measured]:
        """All that is remembered, such that ``from_rows`` makes the same of it."""
        runs = [
            Measured(kind, family, device_class, 1.0, value)
            for (kind, family), classes in self._runs.items()
            for device_class, recent in classes.items()
            for value in recent
        ]
        loads = [
            Measured(None, family, device_class, 1.0, value)
            for family, classes in self._loads.items()
            for device_class, recent in classes.items()
            for value in recent
        ]
        return runs + loads

    def observe(self, kind: TaskKind, family: str, device_class: str, work: float, seconds: float) -> None:
        """A task of ``work`` units took so long on a seat of the class's own pace, loading and moving not counted.
        Senseless values are ignored."""
        if _sensible(work) and _sensible(seconds) and _sensible(seconds / work):
            self._runs.setdefault((kind, family), {}).setdefault(device_class, Recent()).add(seconds / work)
            self._known.clear()
            self._speed.clear()

    def observe_load(self, family: str, device_class: str, seconds: float) -> None:
        """Bringing a model into memory took so long."""
        if family and _sensible(seconds):
            self._loads.setdefault(family, {}).setdefault(device_class, Recent()).add(seconds)

    def run(self, task: TaskView, on: Group) -> float:
        return self._blend(task, on).middle

    def range(self, task: TaskView, on: Group) -> tuple[float, float]:
        rate = self._blend(task, on)
        return rate.low, rate.high

    def load(self, family: str, on: Group) -> float:
        prior = self._prior.load(family, on)
        classes = self._loads.get(family, {})
        if not prior or not classes:
            return prior
        recent = classes.get(on.device_class)
        if recent is None:  # how long it takes is a matter of the model more than of the device
            return _median([other.rate().middle for other in classes.values()])
        return Rate(prior, prior, prior).toward(recent.rate(), recent.share).middle

    def move(self, task: TaskView, node: str) -> float:
        return self._prior.move(task, node)

    def speed_of(self, device_class: str) -> float:
        """Units a second, or how many times the reference class's speed where both did the same kinds of task.

        To two digits, such that a class's seats stay alike while measurements come in.
        """
        if device_class not in self._speed:
            self._speed[device_class] = _two_digits(self._measure_speed(device_class))
        return self._speed[device_class]

    def _measure_speed(self, device_class: str) -> float:
        known = self._speeds.get(device_class, 1.0)
        if device_class == self._reference:
            return 1.0
        mine = {key: classes[device_class] for key, classes in self._runs.items() if device_class in classes}
        shared = {key: self._runs[key][self._reference] for key in mine if self._reference in self._runs[key]}
        if shared:
            ratios = [theirs.rate().middle / mine[key].rate().middle for key, theirs in shared.items()]
            share = max(min(mine[key].share, theirs.share) for key, theirs in shared.items())
        elif mine:
            ratios = [1 / recent.rate().middle for recent in mine.values()]
            share = max(recent.share for recent in mine.values())
        else:
            return known
        speed = _median(ratios)
        return Rate(known, known, known).toward(Rate(speed, speed, speed), share).middle

    def _knowledge(self, kind: TaskKind, family: str, device_class: str) -> tuple[Rate | None, float, float]:
        """What was measured there, how far that is believed, and how much more than estimated others took."""
        key = (kind, family, device_class)
        if key not in self._known:
            classes = self._runs.get((kind, family), {})
            recent = classes.get(device_class)
            others = [
                other.rate().middle * self.speed_of(name) for name, other in classes.items() if name != device_class
            ]
            more = _median(others) if others else 1.0
            self._known[key] = (recent.rate(), recent.share, more) if recent else (None, 0.0, more)
        return self._known[key]

    def _blend(self, task: TaskView, on: Group) -> Rate:
        """Seconds of the task."""
        measured, share, more = self._knowledge(task.kind, task.needs.family, on.device_class)
        measured = measured and measured.times(1 / on.pace)
        if measured is not None and share == 1:
            return measured.times(task.work)
        low, high = self._prior.range(task, on)
        prior = Rate(low, self._prior.run(task, on), high).times(more)
        if measured is None or not _sensible(prior.low):
            return prior
        return prior.toward(measured.times(task.work), share)


def _sensible(value: float) -> bool:
    return 1e-9 < value < 1e9


def _median(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2]


def _quantile(ordered: list[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
