"""The rooms that know nodes, without Ray: names, seats that should be there, rows, and a clock that is given."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from farm.cluster.board import Board
from farm.cluster.devices import DeviceFacts, Slot
from farm.cluster.member import Held, Member
from farm.cluster.nodes import Nodes, named
from farm.cluster.noting import Noting
from farm.cluster.outlook import Outlook
from farm.cluster.queue import QueueReader
from farm.jobs.assets import NodeReport
from farm.jobs.nodes import Drain, Hours, NodeChange, NodeFacts, NodeSettings, NodeState
from farm.jobs.owners import OwnerChange
from farm.scheduling.nodes import Standing
from farm.scheduling.paces import Pace
from farm.scheduling.records import SeatView
from farm.store.jobs import JobStore
from tests.support.jobs import submit


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    store = JobStore(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    store.migrate()
    return store


def node(id: str, host: str, **resources: float) -> dict[str, object]:
    where = {"NodeManagerHostname": host, "NodeManagerAddress": "10.0.0.7", "Labels": {}}
    return {"NodeID": id, "Alive": True, "Resources": {"memory": 64e9, **resources}, **where}


def at(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, 30)


def test_names_are_those_that_people_know_and_stay() -> None:
    one, two = node("b", "studio-1"), node("a", "studio-1")
    names = named([one, two], {})
    assert names == {"b": "studio-1", "a": "studio-1-2"}
    assert named([node("0", "studio-1"), two], names) == {"a": "studio-1-2", "0": "studio-1"}
    labelled = {**node("c", "ip-10-0-0-3"), "Labels": {"farm-node": "the big one"}}
    assert named([labelled], {}) == {"c": "the-big-one"}


def test_hours_by_a_clock_that_is_given(store: JobStore) -> None:
    clock = [at(23)]
    nodes = Nodes(store, {"a": NodeSettings("a", hours=Hours.parse("22-07"))}, lambda: clock[0])
    found = [node("1", "a", CPU=2), node("2", "b", CPU=1)]
    nodes.see(found)
    assert [slot.host for slot in nodes.slots()] == ["a", "a", "b"]
    clock[0] = at(7)
    nodes.see(found)
    assert [slot.host for slot in nodes.slots()] == ["b"]
    nodes.write()
    assert {each.host: each.facts.message for each in store.nodes()} == {"a": "outside its hours 22-07", "b": ""}


def test_a_node_set_to_one_replica_has_one(store: JobStore) -> None:
    nodes = Nodes(store, {"a": NodeSettings("a", max_replicas=1)})
    nodes.see([node("1", "a", CPU=4), node("2", "b", CPU=2)])
    assert [slot.place for slot in nodes.slots()] == ["1/cpu-0", "2/cpu-0", "2/cpu-1"]
    assert not nodes.standing(Slot("1", "cpu", "CPU", 3, host="a")).there


def test_rows_of_nodes_are_written_when_something_has_changed(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []
    put = store.put_facts
    monkeypatch.setattr(store, "put_facts", lambda found: written.append([f.host for f in found]) or put(found))
    nodes = Nodes(store)
    for _ in range(3):
        nodes.see([node("1", "a", GPU=2, CPU=8), node("2", "b", CPU=1)])
        nodes.write()
    nodes.see([node("1", "a", GPU=2, CPU=8), {**node("2", "b", CPU=1), "Alive": False}])
    nodes.write()
    nodes.see([node("9", "b", CPU=1), node("1", "a", GPU=2, CPU=8)])
    nodes.write()
    assert written == [["a", "b"], ["b"], ["b"]]
    a, b = store.nodes()
    assert (a.facts.devices, a.facts.cores, a.facts.memory) == (("GPU", "GPU"), 8, 64 * 10**9)
    assert (b.facts.id, b.facts.state) == ("9", NodeState.UP)


def test_a_node_that_left_while_nobody_looked_is_gone(store: JobStore) -> None:
    store.put_facts([NodeFacts("old", "1")])
    nodes = Nodes(store)
    nodes.see([node("2", "new", CPU=1)])
    nodes.write()
    assert {each.host: each.facts.state.value for each in store.nodes()} == {"new": "up", "old": "gone"}


def test_a_slow_node_is_taken_for_slow_before_it_has_rendered(store: JobStore) -> None:
    nodes = Nodes(store)
    nodes.see([node(str(number), f"n{number}", CPU=1) for number in range(4)])
    for host, speed in (("n0", 1.0), ("n1", 1.1), ("n2", 0.3)):
        nodes.hear(host, NodeReport(frozenset(), speed=speed))
    usual = nodes.usual_speed()
    assert [nodes.beside(f"n{number}", usual) for number in range(4)] == [1.0, 1.0, 0.3, 1.0]
    member = Member("r", Slot("2", "cpu", "CPU", host="n2"), None, ready=True, seed=0.3)
    assert (member.seat().pace, member.seat().speed) == (0.3, pytest.approx(0.3))
    member.pace = Pace(1.0, 1.0, 1.0)
    assert member.seat().pace == 1.0, "what was measured counts from then on"
    assert Member("g", Slot("2", "cuda", "H100"), None, seed=0.3).seat().pace == 1.0, (
        "that of a core says nothing of it"
    )
    nodes.write()
    assert {each.host: each.facts.report.speed for each in store.nodes()}["n2"] == 0.3


class TestReplicaRows:
    def note(self, noting: Noting, nodes: Nodes, *members: Member) -> None:
        asyncio.run(noting.all(members, nodes))

    def test_are_written_only_when_something_changed(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[str] = []
        upsert = store.upsert_replicas
        monkeypatch.setattr(store, "upsert_replicas", lambda known: written.extend(known) or upsert(known))
        slot = Slot("1", "cuda", "H100", host="studio-1")
        member = Member("r", slot, None, ready=True, facts=DeviceFacts("NVIDIA H100 80GB", 79 * 10**9, "9.0"))
        noting, nodes = Noting(store), Nodes(store)
        for _ in range(3):
            self.note(noting, nodes, member)
        assert written == ["r"]
        member.has_loaded("framepack")
        member.running, member.pace, member.blame = Held("a"), Pace(9.1, 10.0), ("section-003: hot", 1_700_000_000.0)
        self.note(noting, nodes, member)
        self.note(noting, nodes, member)
        member.standing = Standing(takes=False, why="drained by ann")
        self.note(noting, nodes, member)
        assert written == ["r"] * 3
        (row,) = store.replicas()
        assert (row.host, row.seat, row.wanted, row.message) == ("studio-1", "cuda-0", "drained", "drained by ann")
        assert (row.device_name, row.memory, row.capability) == ("NVIDIA H100 80GB", 79 * 10**9, "9.0")
        assert (row.speed, row.expected_speed, row.models, len(row.loads)) == (9.1, 10.0, ["framepack"], 1)
        assert row.trouble == "section-003: hot" and row.trouble_at

    def test_say_when_a_replica_was_seen(self, store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
        heard = Member("r", Slot("1", "cpu", "CPU"), None, ready=True, pid=7)
        silent = Member("s", Slot("1", "cpu", "CPU", 1), None, ready=True)
        noting, nodes = Noting(store), Nodes(store)
        self.note(noting, nodes, heard, silent)
        first = {row.id: row.seen_at for row in store.replicas()}
        self.note(noting, nodes, heard, silent)
        assert {row.id: row.seen_at for row in store.replicas()} == first, "at most once in ten seconds"
        noting._signed = 0.0
        self.note(noting, nodes, heard, silent)
        after = {row.id: row.seen_at for row in store.replicas()}
        assert after["r"] > first["r"] and after["s"] == first["s"]
        heard.unanswered = 1
        self.note(noting, nodes, heard, silent)
        last = store.replica("r").seen_at
        noting._signed = 0.0
        self.note(noting, nodes, heard, silent)
        assert store.replica("r").seen_at == last, "one that does not answer was not seen"


def test_what_people_change_reaches_the_board(store: JobStore) -> None:
    board = Board()
    reader = QueueReader(store, board)
    submit(store, owner="ann")
    reader.apply(reader.read())
    assert board.view.owners["ann"].limit is None and board.nodes == {}
    store.put_facts([NodeFacts("a", "1")])
    store.change_node("a", NodeChange(labels=["studio"]))
    store.drain("a", Drain("ann"))
    store.change_owner("ann", OwnerChange(weight=2, limit=1))
    reader.apply(reader.read())
    assert board.nodes["a"].labels == ("studio",) and board.nodes["a"].drain == Drain("ann")
    assert (board.view.owners["ann"].weight, board.view.owners["ann"].limit) == (2, 1)


class TestLabels:
    def look(self, store: JobStore, *seats: SeatView, alone: bool = False) -> Board:
        board = Board(alone=alone)
        reader = QueueReader(store, board)
        reader.apply(reader.read())
        for seat in seats:
            board.put_seat(seat)
        return board

    def test_a_job_goes_only_where_its_labels_are(self, store: JobStore) -> None:
        job = submit(store, labels=["studio"])
        with_it, without = SeatView("s", features=frozenset({"studio", "x"})), SeatView("t")
        assert self.look(store, without).decide().starts == ()
        (start,) = self.look(store, without, with_it).decide().starts
        assert (start.task_id, start.seat_id) == (f"{job.id}.encode", "s")

    def test_a_lone_render_takes_the_machine_it_has(self, store: JobStore) -> None:
        submit(store, labels=["studio"])
        assert len(self.look(store, SeatView("t"), alone=True).decide().starts) == 1

    def test_why_it_waits_is_said(self, store: JobStore) -> None:
        from farm.cluster.seats import seat_to_row

        job = submit(store, labels=["studio"])
        data = {"seat": seat_to_row(SeatView("n/cpu-0", "n"), lambda at: at), "loading": ["", 0.0]}
        store.upsert_replica("r", "n", "CPU", "idle", data=data)
        outlook = Outlook(store).of_job(job)
        assert outlook is not None and outlook.code == "no_feature" and outlook.expected is None
        assert outlook.why.startswith("No node has the label studio.")


def test_a_job_that_no_device_can_hold_says_so(store: JobStore) -> None:
    from dataclasses import replace as with_

    from farm.cluster.seats import seat_to_row
    from farm.store import tables as t

    job = submit(store)
    needs = {"card": int(9.1e9), "host": int(43e9)}
    store._database.write(lambda connection: connection.execute(t.jobs.update().values(needs=needs)))
    small = SeatView("n/cuda-0", "n", memory=6e9)
    for seat in (small, with_(small, id="n/cpu-0", on_cpu=True, memory=30e9)):
        data = {"seat": seat_to_row(seat, lambda at: at), "loading": ["", 0.0]}
        store.upsert_replica(seat.id, "n", "x", "idle", data=data)
    outlook = Outlook(store).of_job(job)
    assert outlook and outlook.why == "No replica has the memory: needs 9.1 GB, largest free 6 GB."
    large = with_(small, id="n/cuda-1", memory=23e9)
    store.upsert_replica(
        large.id, "n", "x", "idle", data={"seat": seat_to_row(large, lambda at: at), "loading": ["", 0]}
    )
    again = Outlook(store).of_job(job)
    assert again and again.code == "next"
