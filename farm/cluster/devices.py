"""Which replicas a node can carry: one per GPU, else one per CPU core, as far as its memory goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CPU_SLOT_BYTES = 1_500_000_000
"""Memory that a CPU replica is counted with: interpreter, torch and the bundled model."""


@dataclass(frozen=True)
class Slot:
    """A place for one replica. ``device``: torch's name; ``label``: what a person calls it."""

    node: str
    device: str
    label: str

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

    CPU slots have one torch thread each, so that a result does not depend on how many there are.
    """
    if not node.get("Alive"):
        return []
    resources, labels = node.get("Resources", {}), node.get("Labels", {}) or {}
    node_id = str(node["NodeID"])
    if gpus := int(resources.get("GPU", 0)):
        label = labels.get("ray.io/accelerator-type") or "GPU"
        return [Slot(node_id, "cuda", str(label))] * gpus
    cores = int(resources.get("CPU", 0))
    fitting = int(resources.get("memory", 0)) // CPU_SLOT_BYTES
    return [Slot(node_id, "cpu", "CPU")] * min(cores, max(1, fitting))


def missing_slots(wanted: list[Slot], taken: list[Slot]) -> list[Slot]:
    """The wanted slots that are not taken, counting equal ones."""
    rest = list(taken)
    missing = []
    for slot in wanted:
        if slot in rest:
            rest.remove(slot)
        else:
            missing.append(slot)
    return missing
