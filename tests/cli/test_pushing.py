"""``farm models push`` and ``farm nodes --models`` over a real server; nodes are rows here."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from farm.cli import pushing
from farm.cluster.seats import seat_to_row
from farm.jobs.assets import NodeReport, PushState, exporter_asset, model_asset
from farm.jobs.nodes import NodeFacts
from farm.scheduling.records import SeatView
from model.families import checkpoint
from tests.support.api import LiveFarm
from tests.support.machine import here


@pytest.fixture(autouse=True)
def nodes(farm: LiveFarm) -> None:
    """Of three machines one has the weights, one has other weights of that name, one has nothing."""
    mine, other = (model_asset("puppet", digest) for digest in (checkpoint("puppet", here()).sha256, "0" * 64))
    prores = exporter_asset("prores", "package farm-prores 1.2")
    held = {"full": {mine, prores}, "other": {other}, "empty": set()}
    for host, assets in held.items():
        faults = {} if assets else {"puppet": "no model checkpoint at /models/puppet"}
        farm.store.put_facts([NodeFacts(host, host, report=NodeReport(frozenset(assets), faults, 64 * 10**9))])
        seat = seat_to_row(SeatView(f"{host}/cpu-0", host, on_cpu=True), lambda at: at)
        farm.store.upsert_replica(host, host, "cpu", "idle", data={"seat": seat}, more={"host": host})


def test_who_can_take_what_and_why_not(run, farm: LiveFarm) -> None:
    found = {asset["name"]: asset for asset in json.loads(run("nodes", "--models", "--json").out)["assets"]}
    takes = {node["host"]: (node["takes"], node["why"]) for node in found["puppet"]["nodes"]}
    assert takes == {
        "full": (True, ""),
        "other": (False, "it has another of that name"),
        "empty": (False, "no model checkpoint at /models/puppet"),
    }
    assert found["puppet"]["on_head"] and not found["prores"]["on_head"]
    out = run("nodes", "--models").out
    assert "puppet" in out and "it has another of that name" in out and "prores (not on the head)" in out
    (full,) = (node for node in json.loads(run("nodes", "--json").out)["nodes"] if node["host"] == "full")
    assert full["host_memory"] == 64 * 10**9 and {asset["kind"] for asset in full["assets"]} == {"model", "exporter"}


def test_memory_is_a_reason_too(run, farm: LiveFarm) -> None:
    small = seat_to_row(SeatView("full/cpu-0", "full", memory=1.0, on_cpu=True), lambda at: at)
    farm.store.upsert_replica("full", "full", "cpu", "idle", data={"seat": small}, more={"host": "full"})
    found = json.loads(run("nodes", "--models", "--json").out)["assets"]
    nodes = next(asset["nodes"] for asset in found if asset["name"] == "puppet")
    (why,) = (node["why"] for node in nodes if node["host"] == "full")
    assert why.startswith("No replica has the memory")


def fetches(farm: LiveFarm, act: Callable[..., None]) -> threading.Thread:
    """Nodes that do so with what they are to fetch."""

    def work() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (found := [one for one in farm.store.pushes() if one.open]):
            time.sleep(0.05)
        for one in found:
            act(one)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_push_shows_how_far_each_node_is(run, farm: LiveFarm) -> None:
    def fetch(one) -> None:
        farm.store.note_push(replace(one, state=PushState.COMING, done=500, total=1000))
        time.sleep(1.2)
        farm.store.note_push(replace(one, state=PushState.DONE, done=1000, total=1000))

    thread = fetches(farm, fetch)
    done = run("models", "push", "puppet", "empty")
    thread.join()
    assert done.code == 0 and "empty has puppet: 1.0 kB brought." in done.out
    assert "puppet to empty: 500 B of 1.0 kB" in done.err
    assert run("models", "push", "puppet", "full").out.strip() == "Every node has puppet already."


def test_what_goes_wrong_is_said_of_each_node(run, farm: LiveFarm) -> None:
    def fail(one) -> None:
        farm.store.note_push(replace(one, state=PushState.FAILED, message=f"no room on {one.host}"))

    thread = fetches(farm, fail)
    done = run("models", "push", "puppet")
    thread.join()
    assert done.code != 0 and "empty: no room on empty" in done.err and "other: no room on other" in done.err


def test_a_node_that_does_not_begin_is_told_of(run, farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "BEGIN_SECONDS", 0.0)
    done = run("models", "push", "puppet", "empty")
    assert done.code != 0 and "empty has not begun: machines fetch by themselves that joined by `farm join`" in done.err


def test_one_that_falls_silent_is_waited_for_no_longer_than_a_while(
    run, farm: LiveFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node that dies while it gives; what it goes on with later is there for the same command."""
    monkeypatch.setattr(pushing, "SILENT_SECONDS", 1.5)
    monkeypatch.setattr(pushing, "BEGIN_SECONDS", 1.0)

    def falls_silent(one) -> None:
        if one.host == "empty":
            farm.store.note_push(replace(one, state=PushState.COMING, done=500, total=1000, message="from full"))

    thread = fetches(farm, falls_silent)
    done = run("models", "push", "puppet", "empty", "other")
    thread.join()
    assert done.code != 0 and "empty: nothing has come from full for 2 s; 500 B of 1.0 kB are there" in done.err
    (push,) = farm.store.pushes("empty")
    assert push.open
    farm.store.note_push(replace(push, state=PushState.DONE, done=1000))
    farm.store.note_push(replace(push, host="other", state=PushState.DONE, done=1000))


def test_ctrl_c_has_nodes_stop(run, farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pushing.time, "sleep", interrupted)
    done = run("models", "push", "puppet", "other")
    assert done.code == 130 and "the same command goes on from there" in done.err
    assert [one.state for one in farm.store.pushes("other")] == [PushState.STOPPED]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push",), "needs a family or LoRA"),
        (("push", "pupet"), "unknown model family or LoRA 'pupet'. Did you mean 'puppet'?"),
        (("push", "puppet", "ful"), "unknown node 'ful'. Did you mean 'full'?"),
        (("list", "puppet", "full"), "only `farm models push` takes nodes"),
    ],
)
def test_what_can_not_be_brought_is_refused(run, farm: LiveFarm, words: tuple[str, ...], said: str) -> None:
    done = run("models", *words)
    assert done.code != 0 and said in done.err
