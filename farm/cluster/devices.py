"""Which replicas a node can carry: one per GPU, else one per CPU core, as far as its memory goes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from farm.jobs.records import TaskKind

CPU_SLOT_BYTES = 1_500_000_000
"""Memory that a CPU replica is counted with: interpreter, torch and the bundled model."""
EVERYTHING = frozenset(TaskKind)
NO_MODEL = frozenset({TaskKind.EXPORT})
"""What is done without a model, by a core beside GPUs that have sections to render."""


@dataclass(frozen=True)
class Slot:
    """A place for one replica. ``device``: torch's name; ``label``: what a person calls it; ``index``: which of the
    node's equal ones; ``kinds``: of the tasks that it is for."""

    node: str
    device: str
    label: str
    index: int = 0
    kinds: frozenset[TaskKind] = EVERYTHING

    @property
    def place(self) -> str:
        """A name that stays the same, whichever process works there."""
        use = "" if self.kinds == EVERYTHING or self.device != "cpu" else "-export"
        return f"{self.node}/{self.device}{use}-{self.index}"

    @property
    def num_gpus(self) -> int:
        """GPUs that Ray reserves for it."""
        return int(self.device == "cuda")

    @property
    def num_cpus(self) -> int:
        """CPU cores that Ray reserves for it; one each, so that cores are never oversubscribed."""
        return int(self.device == "cpu")


def slots_of(node: Mapping[str, Any]) -> list[Slot]:
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
        rest = [Slot(node_id, "cpu", "CPU", 0, NO_MODEL)] if cores else []
        kinds = EVERYTHING - NO_MODEL if rest else EVERYTHING
        return [*(Slot(node_id, "cuda", label, index, kinds) for index in range(gpus)), *rest]
    fitting = int(resources.get("memory", 0)) // CPU_SLOT_BYTES
    return [Slot(node_id, "cpu", "CPU", index) for index in range(min(cores, max(1, fitting)))]


def wanted_slots(nodes: Iterable[Mapping[str, Any]], most: int | None) -> list[Slot]:
    """The slots of all nodes, at most ``most`` of those with a model; nodes in an order that does not change."""
    slots = [slot for node in sorted(nodes, key=lambda node: str(node["NodeID"])) for slot in slots_of(node)]
    models = [slot for slot in slots if slot.kinds != NO_MODEL][:most]
    nodes_used = {slot.node for slot in models}
    return models + [slot for slot in slots if slot.kinds == NO_MODEL and slot.node in nodes_used]
