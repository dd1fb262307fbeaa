"""Nodes, owners and what people want of them, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from farm.errors import NotFoundError
from farm.jobs.nodes import ITSELF, Drain, Hours, NodeChange, NodeFacts, NodeSettings, NodeState
from farm.jobs.owners import OwnerChange
from farm.store import tables as t
from farm.store.jobs import JobStore
from farm.store.owners import Owner
from farm.store.rows import now
from tests.support.jobs import run_task, submit


def join(store: JobStore, host: str = "studio-1", id: str = "4f" * 28) -> None:
    store.put_facts([NodeFacts(host, id, "10.0.0.7", cores=8, memory=64 * 10**9, devices=("H100",))])


def test_settings_stay_while_a_node_leaves_and_comes_back_under_another_id(store: JobStore) -> None:
    join(store)
    store.change_node("studio-1", NodeChange(labels=["studio"], hours="22-07", max_replicas=1))
    store.drain("4f" * 28, Drain("ann", "new driver"))
    store.put_facts([NodeFacts("studio-1", "4f" * 28, state=NodeState.GONE)])
    join(store, id="ab" * 28)
    (node,) = store.nodes()
    assert node.facts.id == "ab" * 28 and node.facts.state is NodeState.UP and node.seen_at
    drain = node.settings.drain
    assert drain is not None and drain.why == "drained by ann: new driver"
    assert node.settings == NodeSettings("studio-1", drain, {}, ("studio",), Hours(22 * 60, 7 * 60), 1)


def test_seats_are_drained_one_by_one(store: JobStore) -> None:
    join(store)
    store.drain("studio-1", Drain("ann"), "cuda-0")
    settings = store.drain("studio-1", Drain("ben", now=True), "cuda-1").settings
    assert settings.drain is None and settings.drain_of("cuda-2") is None
    assert settings.drain_of("cuda-1") == Drain("ben", now=True) and settings.drain_of("cuda-0") == Drain("ann")
    assert set(store.undrain("studio-1", "cuda-0").settings.seats) == {"cuda-1"}
    assert store.drain("studio-1", Drain("all")).settings.drain_of("cuda-1") == Drain("all")


def test_what_is_left_out_stays_and_null_means_no_cap(store: JobStore) -> None:
    join(store)
    store.change_node("studio-1", NodeChange(labels=["studio"], max_replicas=2))
    store.change_node("studio-1", NodeChange(hours="9-17:30"))
    settings = store.change_node("studio-1", NodeChange(max_replicas=None)).settings
    assert settings == NodeSettings("studio-1", labels=("studio",), hours=Hours(540, 1050))
    settings = store.change_node("studio-1", NodeChange(labels=[], hours="any")).settings
    assert settings == NodeSettings("studio-1")


def test_unknown_names_are_answered_with_the_nearest(store: JobStore) -> None:
    join(store)
    for act in (
        lambda: store.change_node("studio1", NodeChange(hours="any")),
        lambda: store.drain("studio1", Drain()),
        lambda: store.undrain("studio1"),
    ):
        with pytest.raises(NotFoundError, match=r"unknown node 'studio1'. Did you mean 'studio-1'\?"):
            act()
    with pytest.raises(NotFoundError, match=r"unknown replica 'r'\. Available: none"):
        store.replica("r")


def test_only_what_was_changed_since_is_read(store: JobStore) -> None:
    join(store)
    first = store.wishes(-1)
    assert [node.host for node in first.nodes] == ["studio-1"] and first.newest == 0
    assert store.wishes(first.newest) == type(first)(newest=0)
    join(store)  # facts are not wishes
    assert not store.wishes(first.newest).nodes
    store.change_node("studio-1", NodeChange(max_replicas=1))
    store.change_owner("ann", OwnerChange(weight=2, limit=4))
    found = store.wishes(first.newest)
    assert [node.max_replicas for node in found.nodes] == [1] and found.owners == (Owner("ann", 2.0, 0.0, 4),)
    assert not store.wishes(found.newest).nodes and not store.wishes(found.newest).owners


def test_what_owners_use_is_no_wish_and_changes_no_setting(store: JobStore) -> None:
    store.change_owner("ann", OwnerChange(weight=2, limit=4))
    mark = store.wishes(-1).newest
    store.put_owners([Owner("ann", 1.0, 7.5), Owner("ben")])
    assert store.owners() == [Owner("ann", 2.0, 7.5, 4), Owner("ben")]
    assert store.wishes(mark).owners == ()
    assert store.change_owner("ann", OwnerChange(limit=None)) == Owner("ann", 2.0, 7.5, None)


def test_long_gone_nodes_are_forgotten_unless_something_was_set(store: JobStore) -> None:
    for host in ("spot-1", "studio-1", "pod-1", "pod-2", "new"):
        store.put_facts([NodeFacts(host, host)])
    store.change_node("studio-1", NodeChange(labels=["studio"]))
    store.drain("pod-1", Drain(ITSELF, "it leaves"))
    store.drain("pod-2", Drain("ann", "new driver"))
    long_ago = now() - timedelta(days=8)
    gone = update(t.nodes).where(t.nodes.c.host != "new").values(state="gone", seen_at=long_ago)
    store._database.write(lambda connection: connection.execute(gone))
    store.forget_gone()
    assert [node.host for node in store.nodes()] == ["new", "pod-2", "studio-1"]


def test_seen_means_seen(store: JobStore) -> None:
    join(store)
    store.upsert_replica(
        "r1", "n", "cpu", "idle", more={"host": "studio-1", "seat": "cpu-0", "memory": 2**40, "heard": True}
    )
    store.upsert_replica("r2", "n", "cpu", "idle", more={"heard": False})
    before = {replica.id: replica.seen_at for replica in store.replicas()}
    (joined,) = store.nodes()
    store.note_look()
    store.note_look()
    after = {replica.id: replica.seen_at for replica in store.replicas()}
    assert after["r1"] > before["r1"] and after["r2"] == before["r2"] and store.replica("r1").seen_at == after["r1"]
    (there,) = store.nodes()
    assert there.seen_at and joined.seen_at and there.seen_at > joined.seen_at
    store.put_facts([replace(there.facts, state=NodeState.GONE)])
    store.note_look()
    (gone,) = store.nodes()
    assert gone.seen_at == there.seen_at, "it was last seen when all were, before it went"
    assert (store.replica("r1").host, store.replica("r1").memory) == ("studio-1", 2**40)


def test_what_is_in_hand_and_what_was_lately_done(store: JobStore) -> None:
    ann, _ = submit(store, owner="ann", name="Waves"), submit(store, owner="ben")
    run_task(store, ann.id, "encode")
    run_task(store, ann.id, "section-000", "r2")
    attempt = store.start_attempt(f"{ann.id}.section-003", "r2")
    store.report_progress(attempt.id, 3, 25)
    (held,) = store.at_work()
    assert (held.replica, held.job_name, held.task, held.step, held.steps) == ("r2", "Waves", "section-003", 3, 25)
    hour_ago = now() - timedelta(hours=1)
    assert store.sections_since(hour_ago) == {"r2": 1} and store.sections_since(now()) == {}
    loads = store.owner_loads(hour_ago)
    assert (loads["ann"].running, loads["ben"].waiting) == (1, 1)
    assert loads["ann"].work == pytest.approx(1.3) and loads["ben"].work == 0


def test_labels_and_needs_of_a_job_are_in_the_queue(store: JobStore) -> None:
    from farm.jobs.order import OrderChange

    job = submit(store, labels=["studio", "a"])
    (queued,) = store.queued([job.id])
    assert list(queued.labels) == ["a", "studio"] and queued.needs == {}
    assert store.get_job(job.id).labels == ("a", "studio")
    changed = store.change_order(job.id, OrderChange(labels=["rack-2"]))
    assert changed.labels == ("rack-2",) and changed.job_order.labels == ("rack-2",)
    assert "labels rack-2" in store.events(job.id)[-1].message
    assert store.change_order(job.id, OrderChange(labels=[])).labels == ()
