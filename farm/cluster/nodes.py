"""The nodes of the cluster by the names that people know: which seats each should have now, and what each is."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from statistics import median_low
from typing import Any

from farm.jobs.assets import NO_REPORT, Assets, NodeReport
from farm.jobs.nodes import COMING, NodeFacts, NodeSettings, NodeState
from farm.scheduling.machine import Scale
from farm.scheduling.nodes import FINE, Standing, standing
from farm.scheduling.paces import believed
from farm.store.jobs import JobStore

from .calls import HEAD
from .devices import Slot, slots_of

NAME_LABEL = "farm-node"
"""Of a node, ``ray start --labels farm-node=NAME``: a name in place of the host's."""
SPARE = Standing(False, False, False, "there is nothing for it to do; it may end")
AT_ONCE = 200
"""Rows of nodes that are written in one transaction."""


class Nodes:
    """See the module.

    Args:
        store: where rows are written.
        settings: what people want, by host; kept up to date by the caller.
        clock: local time of the head, by which nodes have hours.

    ``spare``: ids of nodes that are to have no replicas, so that they may end; ``granted``: labels
    of all nodes that may; ``seen``: whether anybody has looked.
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
        self._reports: dict[str, NodeReport] = {}
        self._noted: dict[str, NodeFacts] | None = None
        self._heads: dict[str, Mapping[str, float]] = {}
        self._coming: NodeFacts | None = None
        self.spare: frozenset[str] = frozenset()
        self.granted: frozenset[str] = frozenset()
        self.seen = False

    def see(self, found: Iterable[Mapping[str, Any]]) -> None:
        """Take in what ``ray.nodes()`` says."""
        alive = sorted((node for node in found if node.get("Alive")), key=lambda node: str(node["NodeID"]))
        self._hosts = named(alive, self._hosts)
        self._slots = [slot for node in alive for slot in slots_of(node, self._hosts[str(node["NodeID"])])]
        self._facts = {facts.host: facts for facts in map(self._describe, alive)}
        self._heads = {str(node["NodeID"]): node["Resources"] for node in alive if HEAD in node.get("Resources", {})}
        self.seen = True

    @property
    def movable(self) -> list[str]:
        """Ids of nodes that may go: all but the head's."""
        return [node_id for node_id in self._hosts if node_id not in self._heads]

    def fixed_bundles(self, kind: str) -> list[dict[str, float]]:
        """What all others have of a kind, as part of what a cluster must have room for."""
        return [{kind: found[kind]} for found in self._heads.values() if found.get(kind)]

    def expect(self, scale: Scale, machines: int) -> None:
        """Note that so many machines were asked for and are not there yet."""
        message = f"waiting for {'a machine' if machines == 1 else f'{machines} machines'} to start"
        memory = 0 if math.isinf(scale.memory) else int(scale.memory)
        facts = NodeFacts(COMING, "", scale.text, NodeState.COMING, message, scale.cores, memory, ("GPU",) * scale.gpus)
        self._coming = facts if machines else None

    def slots(self) -> list[Slot]:
        """Those in which there should be a replica now."""
        return [slot for slot in self._slots if self.standing(slot).there]

    def standing(self, slot: Slot) -> Standing:
        """What people want of a seat now, and whether its node may go."""
        if slot.node in self.spare:
            return SPARE
        settings = self._settings.get(slot.host)
        return standing(settings, slot.seat, slot.rank, self._minute()) if settings else FINE

    def labels(self, host: str) -> frozenset[str]:
        """What its node has."""
        own = frozenset(self._settings[host].labels) if host in self._settings else frozenset[str]()
        return own | self.granted if host in self._facts and self._facts[host].id not in self._heads else own

    def assets(self, host: str) -> Assets | None:
        """What it has on its disk, as far as it has said so."""
        return self._reports.get(host, NO_REPORT).assets

    def usual_speed(self) -> float:
        """Of a core of the middle one of the nodes that say how fast they are; 0 when none does."""
        found = (self._reports.get(host, NO_REPORT).speed for host in self._facts)
        return median_low([speed for speed in found if speed > 0] or [0.0])

    def beside(self, host: str, usual: float) -> float:
        """How many times the ``usual`` speed a core of it should have; 1 when nobody knows."""
        own = self._reports.get(host, NO_REPORT).speed
        return believed(own / usual) if own > 0 and usual > 0 else 1.0

    def hear(self, host: str, report: NodeReport) -> None:
        """What it says of itself now."""
        self._reports[host] = report
        if host in self._facts:
            self._facts[host] = replace(self._facts[host], report=report)

    def news(self) -> list[NodeFacts]:
        """What is not in rows yet; those that left are among them."""
        before = self._noted or {}
        gone = [host for host, facts in before.items() if facts.state is NodeState.UP and host not in self._facts]
        left = [NodeFacts(**{**vars(before[host]), "state": NodeState.GONE, "message": ""}) for host in gone]
        here = [*self._facts.values(), *([self._coming] if self._coming else [])]
        return [facts for facts in (*here, *left) if before.get(facts.host) != facts]

    def write(self) -> None:
        """Bring the rows up to date; costs nothing when nothing has changed."""
        if self._noted is None:
            self._store.forget_gone()
            self._noted = {node.host: node.facts for node in self._store.nodes()}
        if self._coming is None and COMING in self._noted:
            del self._noted[COMING]
            self._store.remove_node(COMING)
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
            report=self._reports.get(host, NO_REPORT),
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
