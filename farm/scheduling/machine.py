"""Machines that can be had: how many, and what each would bring. The text of `farm up --autoscale`."""

import math
import re
from dataclasses import dataclass, replace

from .lanes import Lane
from .records import ALL_KINDS, Group

GB = 10**9
CPU = "CPU"
"""What the device class of a processor begins with."""
MOST = 10_000
EXPECTED = "MIN:MAX and what a machine has, such as 0:8, 0:8,gpu=4,memory=80,label=studio or 1:4,cpu=16,idle=10"
_PART = re.compile(r"(gpu|cpu|memory|label|idle)=(.+)")


@dataclass(frozen=True)
class Scale:
    """From ``least`` to ``most`` machines, with so many seats each.

    ``gpus``: 0 for machines that render on their ``cores``; ``memory``: bytes of a seat; ``labels``: that they will
    have; ``idle_seconds``: without work, after which one may go; ``text``: as it was asked for.
    """

    least: int
    most: int
    gpus: int = 1
    cores: int = 0
    memory: float = math.inf
    labels: frozenset[str] = frozenset()
    idle_seconds: float = 300.0
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "Scale":
        """Read ``MIN:MAX[,gpu=N][,cpu=N][,memory=GB][,label=WORD]...[,idle=MINUTES]``.

        Raises:
            ValueError: it is something else.
        """
        bounds, *parts = (part.strip() for part in text.split(","))
        found = re.fullmatch(r"(\d{1,5}):(\d{1,5})", bounds)
        if not found or not int(found[1]) <= int(found[2]) <= MOST or not int(found[2]):
            raise ValueError(f"expected {EXPECTED}")
        values: dict[str, str] = {}
        labels: set[str] = set()
        for part in parts:
            named = _PART.fullmatch(part)
            if not named:
                raise ValueError(f"expected {EXPECTED}")
            if named[1] == "label":
                labels.add(named[2])
            else:
                values[named[1]] = named[2]
        scale = cls(int(found[1]), int(found[2]), labels=frozenset(labels), text=text.strip())
        return scale._with(values)

    def _with(self, values: dict[str, str]) -> "Scale":
        numbers = {name: float(value) for name, value in values.items()}
        if any(not 0 <= number < math.inf for number in numbers.values()):
            raise ValueError(f"expected {EXPECTED}")
        cores = int(numbers.get("cpu", 0))
        gpus = int(numbers.get("gpu", 0 if cores else 1))
        if not gpus and not cores:
            raise ValueError("a machine needs a GPU or cores")
        memory = numbers["memory"] * GB if "memory" in numbers else math.inf
        return replace(self, gpus=gpus, cores=cores, memory=memory, idle_seconds=60 * numbers.get("idle", 5.0))

    @property
    def seats(self) -> int:
        """Of each machine, with a model."""
        return self.gpus or self.cores

    @property
    def bundle(self) -> dict[str, float]:
        """What one machine is to Ray's autoscaler: all that it has of the kind that seats are made of."""
        return {"GPU": self.gpus} if self.gpus else {"CPU": self.cores}

    def takes(self, lane: Lane) -> bool:
        """Whether such a machine could do tasks of the lane. A video that began on a card goes on on one of the same
        class, which a machine to come is taken for."""
        began = lane.device_class
        if began and began.startswith(CPU) is bool(self.gpus):
            return False
        group = Group(began, 1.0, self.memory, self.labels, not self.gpus, ALL_KINDS, frozenset(), frozenset())
        return lane.fits(group)
