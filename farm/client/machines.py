"""The machines of the farm, and what is brought to them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .transport import Json, Transport


class Machines(Transport):
    """See the module."""

    def nodes(self) -> list[Json]:
        """The machines the farm knows, each with its settings and ``replicas``, and what these are at."""
        return self._list("/nodes", "nodes")

    def change_node(self, node: str, **values: Any) -> Json:
        """Change ``labels``, ``hours`` (`22-07`, or `any`) or ``max_replicas`` (or None) of a node; gives the node."""
        return self._json("PATCH", f"/nodes/{quote(node, safe='')}", json=values)

    def drain(self, node: str, *, reason: str = "", now: bool = False, by: str = "") -> Json:
        """Have a node take nothing more; ``now``: hand back what it is at, too. Gives the node."""
        body = {"reason": reason, "now": now, "by": by}
        return self._json("POST", f"/nodes/{quote(node, safe='')}/drain", json=body)

    def undrain(self, node: str) -> Json:
        """Let a drained node work."""
        return self._json("POST", f"/nodes/{quote(node, safe='')}/undrain")

    def drain_replica(self, replica: str, *, reason: str = "", now: bool = False, by: str = "") -> Json:
        """The same for one replica; gives its node."""
        body = {"reason": reason, "now": now, "by": by}
        return self._json("POST", f"/replicas/{quote(replica, safe='')}/drain", json=body)

    def undrain_replica(self, replica: str) -> Json:
        """Let a drained replica work; gives its node."""
        return self._json("POST", f"/replicas/{quote(replica, safe='')}/undrain")

    def assets(self) -> list[Json]:
        """Weights, LoRAs and plug-ins by content, and which nodes can take jobs with them."""
        return self._list("/assets", "assets")

    def push(self, name: str, nodes: Sequence[str] = ()) -> list[Json]:
        """Have nodes fetch a family or LoRA from the head, all that lack it by default; gives what is on its way."""
        return list(self._json("POST", "/assets/push", json={"name": name, "nodes": list(nodes)})["pushes"])

    def stop_push(self, name: str) -> list[Json]:
        """Have them stop; what has arrived stays."""
        return list(self._json("POST", "/assets/stop", json={"name": name})["pushes"])

    def pushes(self) -> list[Json]:
        """What was brought to nodes lately, or is on its way."""
        return self._list("/assets/pushes", "pushes")
