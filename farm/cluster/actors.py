"""The cluster as its members need it: which nodes there are, and replicas on them, created, found again and ended."""

from collections.abc import Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from farm.settings import Settings

from .calls import NAMESPACE, REPLICA_PREFIX, courtesy
from .devices import Slot
from .replica import Replica


class Actors:
    """Ray's. All calls but ``end`` may block, and raise what Ray raises."""

    replica_class = Replica

    def nodes(self) -> list[Mapping[str, Any]]:
        """What Ray says of every node, dead ones too."""
        return list(ray.nodes())

    def replicas(self) -> list[str]:
        """Names of the replicas that live, whoever created them."""
        found = [each["name"] for each in ray.util.list_named_actors(True) if each["namespace"] == NAMESPACE]
        return [name for name in found if name.startswith(REPLICA_PREFIX)]

    def find(self, name: str) -> Any:
        """The handle on a replica; ValueError when there is none of that name."""
        return ray.get_actor(name, NAMESPACE)

    def create(self, name: str, settings: Settings, slot: Slot) -> Any:
        """The handle on a new replica in a slot; that it starts is found out by asking it."""
        options = {
            "name": name,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "max_restarts": 0,
            "max_concurrency": 1000,
            "num_cpus": slot.num_cpus,
            "num_gpus": slot.num_gpus,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        actor: Any = ray.remote(self.replica_class)
        return actor.options(**options).remote(name, settings, slot, self.is_far(slot))

    def is_far(self, slot: Slot) -> bool:
        """Whether a slot is on another node than the caller."""
        return slot.node != str(ray.get_runtime_context().get_node_id())

    def end(self, handle: Any) -> None:
        """End a replica's process; it may be dead already."""
        with courtesy():
            ray.kill(handle)
