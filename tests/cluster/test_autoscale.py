"""The room between demand and Ray's autoscaler, without Ray: what is asked for, when, and what rows say of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from farm.api.node_views import node_views
from farm.cluster.autoscale import Autoscaler, Bundle
from farm.cluster.board import Board
from farm.cluster.calls import HEAD
from farm.cluster.nodes import SPARE, Nodes
from farm.cluster.outlook import Outlook
from farm.cluster.queue import QueueReader
from farm.jobs.nodes import COMING, NodeState
from farm.scheduling.machine import Scale
from farm.store.jobs import JobStore
from tests.support.jobs import submit

HEAD_NODE = {"NodeID": "h", "Alive": True, "NodeManagerHostname": "head", "Resources": {"CPU": 2, HEAD: 1}}
WORKER = {"NodeID": "w", "Alive": True, "NodeManagerHostname": "pod-1", "Resources": {"CPU": 4, "memory": 64e9}}


class Ray:
    """What was asked of it."""

    def __init__(self) -> None:
        self.asked: list[list[Bundle]] = []

    def __call__(self, bundles: Sequence[Bundle]) -> None:
        self.asked.append(list(bundles))


class Rig:
    """A store with the coordinator's rooms around it, and no replica."""

    def __init__(self, store: JobStore, text: str) -> None:
        self.store, self.board, self.ray = store, Board(), Ray()
        self.queue = QueueReader(store, self.board)
        self.nodes = Nodes(store, self.board.nodes)
        self.scaler = Autoscaler(Scale.parse(text), self.board, self.nodes, self.ray)

    def look(self, *found: dict[str, object]) -> None:
        self.queue.apply(self.queue.read())
        self.nodes.see(found)
        asyncio.run(self.scaler.adjust())
        self.nodes.write()


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = JobStore(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    store.migrate()
    return store


def test_ray_is_asked_on_change_only_for_what_is_wanted_and_what_can_not_go(store: JobStore) -> None:
    rig = Rig(store, "0:3,cpu=4")
    rig.look(HEAD_NODE)
    assert rig.ray.asked == [[{"CPU": 2}]], "the head's own, lest it be taken for room"
    submit(store)
    rig.look(HEAD_NODE)
    rig.look(HEAD_NODE)
    assert rig.ray.asked[1:] == [[{"CPU": 4}, {"CPU": 2}]]
    rig.look(HEAD_NODE, WORKER)
    assert len(rig.ray.asked) == 2, "it came, and counts until its replicas are there"
    asyncio.run(rig.scaler.give_up())
    assert rig.ray.asked[-1] == []


def test_nobody_asks_before_anybody_looked_or_without_a_scale(store: JobStore) -> None:
    rig = Rig(store, "1:3")
    asyncio.run(rig.scaler.adjust())
    assert rig.ray.asked == []
    idle = Autoscaler(None, rig.board, rig.nodes, rig.ray)
    assert not idle.due
    asyncio.run(idle.give_up())
    assert rig.ray.asked == []


def test_a_job_that_only_new_machines_could_take_says_so(store: JobStore) -> None:
    rig, job = Rig(store, "0:3,cpu=4"), submit(store)
    outlook = Outlook(store).of_job(store.get_job(job.id))
    assert outlook is not None and outlook.code == "no_seat"
    rig.look(HEAD_NODE)
    outlook = Outlook(store).of_job(store.get_job(job.id))
    assert outlook is not None and (outlook.code, outlook.why) == ("starting", "It waits for a machine to start.")
    coming = {view.host: view for view in node_views(store)}[COMING]
    assert (coming.state, coming.message) == ("coming", "waiting for a machine to start")
    rig.look(HEAD_NODE, WORKER)
    assert {node.host: node.facts.state for node in store.nodes()} == {"head": NodeState.UP, "pod-1": NodeState.UP}


def test_a_node_that_may_go_has_no_replicas_until_it_is_needed_again(store: JobStore) -> None:
    rig = Rig(store, "0:3,cpu=4,idle=0")
    rig.look(HEAD_NODE, WORKER)
    assert rig.ray.asked == [[{"CPU": 2}]]
    assert {slot.host for slot in rig.nodes.slots()} == {"head"}
    submit(store)
    rig.look(HEAD_NODE, WORKER)
    assert rig.ray.asked[-1] == [{"CPU": 4}, {"CPU": 2}]
    assert {slot.host for slot in rig.nodes.slots()} == {"head", "pod-1"}
    assert not SPARE.there and not SPARE.takes and not SPARE.now


def test_machines_that_come_have_the_labels_that_were_promised(store: JobStore) -> None:
    rig = Rig(store, "0:3,gpu=1,label=studio")
    rig.look(HEAD_NODE, WORKER)
    assert (rig.nodes.labels("pod-1"), rig.nodes.labels("head")) == ({"studio"}, frozenset())
