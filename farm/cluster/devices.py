"""Which replicas a node can carry: one per GPU, else one per CPU core, as far as its memory goes; what devices say."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from farm.jobs.records import TaskKind
from farm.scheduling.paces import believed

CPU_SLOT_BYTES = 1_500_000_000
"""Memory that a CPU replica is counted with: interpreter, torch and the bundled model."""
EVERYTHING = frozenset(TaskKind)
NO_MODEL = frozenset({TaskKind.EXPORT})
"""What is done without a model, by a core beside GPUs that have sections to render."""


@dataclass(frozen=True)
class DeviceFacts:
    """What a device says of itself. ``memory``: bytes that a replica may use there, None when unknown; ``dtypes``: in
    which weights can be used there; ``tflops``: of products of matrices as measured on a card, 0 when unknown."""

    name: str = ""
    memory: int | None = None
    capability: str = ""
    dtypes: tuple[str, ...] = ()
    tflops: float = 0.0


UNKNOWN = DeviceFacts()


@dataclass(frozen=True)
class Slot:
    """A place for one replica. ``device``: torch's name; ``label``: what a person calls it; ``index``: which of the
    node's equal ones; ``kinds``: of the tasks that it is for; ``host``: its node's name; ``memory``: bytes that it may
    use, as far as the node knows."""

    node: str
    device: str
    label: str
    index: int = 0
    kinds: frozenset[TaskKind] = EVERYTHING
    host: str = ""
    memory: float = math.inf

    @property
    def place(self) -> str:
        """A name that stays the same, whichever process works there."""
        return f"{self.node}/{self.seat}"

    @property
    def seat(self) -> str:
        """The same within its node, whichever incarnation that is."""
        use = "" if self.kinds == EVERYTHING or self.device != "cpu" else "-export"
        return f"{self.device}{use}-{self.index}"

    @property
    def rank(self) -> int | None:
        """Which of the node's seats with a model it is; None for one without."""
        return None if self.kinds == NO_MODEL else self.index

    @property
    def num_gpus(self) -> int:
        """GPUs that Ray reserves for it."""
        return int(self.device == "cuda")

    @property
    def num_cpus(self) -> int:
        """CPU cores that Ray reserves for it; one each, so that cores are never oversubscribed."""
        return int(self.device == "cpu")


def slots_of(node: Mapping[str, Any], host: str = "") -> list[Slot]:
    """The slots of a node as ``ray.nodes()`` describes it; none when it is not alive.

    CPU slots have one torch thread each, so that a result does not depend on how many there are. A node with GPUs has a
    core for exports besides, if there is one.
    """
    if not node.get("Alive"):
        return []
    resources, labels = node.get("Resources", {}), node.get("Labels", {}) or {}
    node_id = str(node["NodeID"])
    cores = int(resources.get("CPU", 0))
    if gpus := int(resources.get("GPU", 0)):
        label = str(labels.get("ray.io/accelerator-type") or "GPU")
        rest = [Slot(node_id, "cpu", "CPU", 0, NO_MODEL, host)] if cores else []
        kinds = EVERYTHING - NO_MODEL if rest else EVERYTHING
        return [*(Slot(node_id, "cuda", label, index, kinds, host) for index in range(gpus)), *rest]
    memory = int(resources.get("memory", 0))
    count = min(cores, max(1, memory // CPU_SLOT_BYTES))
    each = memory // count if memory and count else math.inf
    return [Slot(node_id, "cpu", "CPU", index, host=host, memory=each) for index in range(count)]


def beside_cards(cards: Iterable[tuple[str, float]]) -> dict[str, float]:
    """By label, how many times as fast as the middle card of the farm that kind multiplies; ``cards``: the label and
    the TFLOP/s of each. What is unknown is left out."""
    measured: dict[str, list[float]] = {}
    for label, tflops in cards:
        if tflops > 0:
            measured.setdefault(label, []).append(tflops)
    usual = median_low(each for found in measured.values() for each in found) if measured else 1.0
    return {label: believed(median_low(found) / usual) for label, found in measured.items()}


def chosen(slots: Iterable[Slot], most: int | None, taken: Collection[str] = ()) -> list[Slot]:
    """At most ``most`` of the slots with a model, those ``taken`` first, and those without one beside them; in an order
    that does not change."""
    ordered = sorted(slots, key=lambda slot: (slot.place not in taken, slot.node, slot.kinds == NO_MODEL, slot.index))
    models = [slot for slot in ordered if slot.kinds != NO_MODEL][:most]
    nodes_used = {slot.node for slot in models}
    return models + [slot for slot in ordered if slot.kinds == NO_MODEL and slot.node in nodes_used]
