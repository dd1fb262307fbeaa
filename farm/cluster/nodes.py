"""The nodes of the cluster by the names that people know: which seats each should have now, and what each is."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from farm.jobs.nodes import NodeFacts, NodeSettings, NodeState
from farm.scheduling.nodes import FINE, Standing, standing
from farm.store.jobs import JobStore

from .devices import Slot, slots_of

NAME_LABEL = "farm-node"
"""Of a node, ``ray start --labels farm-node=NAME``: a name in place of the host's."""
AT_ONCE = 200
"""Rows of nodes that are written in one transaction."""


class Nodes:
    """See the module.

    Args:
        store: where rows are written.
        settings: what people want, by host; kept up to date by the caller.
        clock: local time of the head, by which nodes have hours.
    """

    def __init__(
        self,
        store: JobStore,
        settings: Mapping[str, NodeSettings] | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._store, self._clock = store, clock
        self._settings = {} if settings is None else settings
        self._hosts: dict[str, str] = {}
        self._slots: list[Slot] = []
        self._facts: dict[str, NodeFacts] = {}
        self._noted: dict[str, NodeFacts] | None = None

    def see(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Take in what ``ray.nodes()`` says."""
        alive = sorted((node for node in found if node.get("Alive")), key=lambda node: str(node["NodeID"]))
        self._hosts = named(alive, self._hosts)
        self._slots = [slot for node in alive for slot in slots_of(node, self._hosts[str(node["NodeID"])])]
        self._facts = {facts.host: facts for facts in map(self._describe, alive)}

    def slots(self) -> list[Slot]:
        """Those in which there should be a replica now."""
        return [slot for slot in self._slots if self.standing(slot).there]

    def standing(self, slot: Slot) -> Standing:
        """What people want of a seat now."""
        settings = self._settings.get(slot.host)
        return standing(settings, slot.seat, slot.rank, self._minute()) if settings else FINE

    def labels(self, host: str) -> frozenset[str]:
        """What its node has."""
        return frozenset(self._settings[host].labels) if host in self._settings else frozenset()

    def hosts(self) -> list[str]:
        """Names of the nodes that are there."""
        return list(self._facts)

    def news(self) -> list[NodeFacts]:
        """What is not in rows yet; those that left are among them."""
        before = self._noted or {}
        gone = [host for host, facts in before.items() if facts.state is NodeState.UP and host not in self._facts]
        left = [NodeFacts(**{**vars(before[host]), "state": NodeState.GONE, "message": ""}) for host in gone]
        return [facts for facts in (*self._facts.values(), *left) if before.get(facts.host) != facts]

    def write(self) -> None:
        """Bring the rows up to date; costs nothing when nothing has changed."""
        if self._noted is None:
            self._store.forget_gone()
            self._noted = {node.host: node.facts for node in self._store.nodes()}
        news = self.news()
        for start in range(0, len(news), AT_ONCE):  # short transactions, also when a thousand machines join
            some = news[start : start + AT_ONCE]
            self._store.put_facts(some)
            self._noted |= {facts.host: facts for facts in some}

    def _describe(self, node: Mapping[str, Any]) -> NodeFacts:
        node_id = str(node["NodeID"])
        host, resources = self._hosts[node_id], node.get("Resources", {})
        settings = self._settings.get(host)
        closed = settings is not None and settings.hours is not None and not settings.hours.hold(self._minute())
        return NodeFacts(
            host,
            node_id,
            str(node.get("NodeManagerAddress", "")),
            message=f"outside its hours {settings.hours}" if settings and closed else "",
            cores=int(resources.get("CPU", 0)),
            memory=int(resources.get("memory", 0)),
            devices=tuple(slot.label for slot in slots_of(node) if slot.device != "cpu"),
        )

    def _minute(self) -> int:
        now = self._clock()
        return now.hour * 60 + now.minute


def named(nodes: Iterable[Mapping[str, Any]], before: Mapping[str, str]) -> dict[str, str]:
    """Each node's name: by its label or host; of two that share one the later gets a number. Names once given stay."""
    nodes = list(nodes)
    ids = [str(node["NodeID"]) for node in nodes]
    names = {node_id: before[node_id] for node_id in ids if node_id in before}
    taken = set(names.values())
    for node, node_id in zip(nodes, ids, strict=True):
        if node_id not in names:
            names[node_id] = host = next(host for host in _candidates(node, node_id) if host not in taken)
            taken.add(host)
    return names


def _candidates(node: Mapping[str, Any], node_id: str) -> Iterator[str]:
    """What a node may be called, the best name first."""
    labels = node.get("Labels") or {}
    name = str(labels.get(NAME_LABEL) or node.get("NodeManagerHostname") or node_id[:12])
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100]
    yield name
    yield from (f"{name}-{number}" for number in count(2))
