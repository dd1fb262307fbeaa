"""farm nodes, drain, undrain and owners over a real server."""

import json
from datetime import UTC, datetime

import pytest

from farm.jobs.nodes import NodeFacts
from tests.support.api import LiveFarm, picture
from tests.support.jobs import submit


@pytest.fixture(autouse=True)
def node(farm: LiveFarm) -> None:
    """One machine with two replicas, the first of which is at a section."""
    farm.store.put_facts([NodeFacts("studio-1", "4f" * 28, cores=8, memory=64 * 10**9, devices=("H100",))])
    for held in farm.store.running_attempts():
        farm.store.cancel_job(held.job_id)
    job = submit(farm.store, name="Waves [1]")
    attempt = farm.store.start_attempt(f"{job.id}.encode", "replica-0")
    farm.store.report_progress(attempt.id, 12, 25)
    for number, held in ((0, attempt.id), (1, "")):
        more = {"host": "studio-1", "seat": f"cuda-{number}", "memory": 79 * 10**9, "device_name": "NVIDIA H100"}
        trouble = {"trouble": "decode-001: hot", "trouble_at": datetime.now(UTC)} if number else {}
        state, data = "busy" if held else "idle", {"attempt": held}
        farm.store.upsert_replica(f"replica-{number}", "n", "H100", state, data=data, more={**more, **trouble})


@pytest.fixture(autouse=True)
def undone(farm: LiveFarm, node: None):
    yield
    for seat in ("", "cuda-0", "cuda-1"):
        farm.store.undrain("studio-1", seat)


def test_nodes_are_shown_with_what_they_are_at(run, farm: LiveFarm) -> None:
    out = run("nodes").out
    first, second = (line for line in out.splitlines() if "NVIDIA H100" in line)
    assert "studio-1" in first and "encode of Waves [1]" in first and "12/25" in first and "79.0 GB" in first
    assert "idle" in second and "decode-001: hot" in second and "studio-1" not in second
    found = json.loads(run("nodes", "--json").out)["nodes"]
    assert [node["host"] for node in found] == ["studio-1"] and found[0]["replicas"][0]["work"]["step"] == 12


def test_settings_are_set_one_by_one_and_taken_back(run, farm: LiveFarm) -> None:
    run("nodes", "set", "studio-1", "--label", "studio", "--hours", "22-07", "--max-replicas", "1")
    out = run("nodes", "set", "studio-1", "--label", "rack-2").out
    assert out.strip() == "studio-1: labels rack-2, studio; hours 22-07; at most 1 replica"
    assert "hours 22-07" in run("nodes").out
    out = run("nodes", "set", "studio-1", "--no-label", "--hours", "any", "--max-replicas", "any").out
    assert out.strip() == "studio-1: no settings"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nodes", "set", "studio-1"), 2, "nothing to set"),
        (("nodes", "set", "studio-1", "--hours", "25"), 2, "hours: should be hours of the day such as 22-07"),
        (("nodes", "set", "studio-1", "--max-replicas", "x"), 2, "expected a number from 0 to 1024, or any"),
        (("nodes", "set", "studio-1", "--label", "Two Words"), 2, "labels.0"),
        (("nodes", "set", "studio", "--label", "a"), 1, "Did you mean 'studio-1'?"),
        (("drain", "studo-1"), 2, "unknown node or replica 'studo-1'. Did you mean 'studio-1'?"),
        (("undrain", "replica-00"), 2, "Did you mean 'replica-0'?"),
        (("owners", "set", "ann"), 2, "nothing to set"),
        (("owners", "set", "ann", "--limit", "1", "--no-limit"), 2, "exclude each other"),
        (("owners", "set", "ann", "--weight", "0"), 2, "weight: input should be greater than or equal to 0.01"),
    ],
)
def test_what_makes_no_sense_is_refused(run, farm: LiveFarm, arguments: tuple[str, ...], code: int, said: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == code and said in outcome.err


def test_drain_says_what_it_waits_for(run, farm: LiveFarm) -> None:
    lines = run("drain", "studio-1", "--reason", "new driver").out.splitlines()
    assert lines[0] == "studio-1 takes nothing more."
    assert lines[1] == "It finishes encode of Waves [1], step 12 of 25."
    (node,) = farm.store.nodes()
    assert node.settings.drain and node.settings.drain.reason == "new driver" and node.settings.drain.by
    assert "draining" in run("nodes").out
    assert run("undrain", "studio-1").out.strip() == "studio-1 may work again."
    assert farm.store.nodes()[0].settings.drain is None


def test_one_replica_and_now(run, farm: LiveFarm) -> None:
    assert "It hands back encode" in run("drain", "replica-0", "--now").out
    assert "nothing in hand" in run("drain", "replica-1").out
    seats = farm.store.nodes()[0].settings.seats
    assert {seat: drain.now for seat, drain in seats.items()} == {"cuda-0": True, "cuda-1": False}
    assert run("undrain", "replica-1").code == 0 and list(farm.store.nodes()[0].settings.seats) == ["cuda-0"]


def test_waiting_ends_when_it_was_heard_and_let_go(run, farm: LiveFarm) -> None:
    more = {"host": "studio-1", "seat": "cuda-1", "wanted": "drained"}
    farm.store.upsert_replica("replica-1", "n", "H100", "draining", more=more)
    assert "has let go of everything" in run("drain", "replica-1", "--wait").out


def test_owners_are_shown_and_set(run, farm: LiveFarm) -> None:
    out = run("owners", "set", "ann", "--weight", "2", "--limit", "4").out
    assert out.splitlines()[0] == "ann: weight 2, at most 4 at a time" and "ann is new here" in out
    row = next(line for line in run("owners").out.splitlines() if "ann" in line)
    assert row.split() == ["ann", "2", "4", "0%", "0", "0"]
    assert run("owners", "set", "ann", "--no-limit").out.strip() == "ann: weight 2, no limit"
    assert {owner["name"] for owner in json.loads(run("owners", "--json").out)["owners"]} >= {"ann", "local"}


def test_jobs_ask_for_labels(run, farm: LiveFarm, tmp_path) -> None:
    (tmp_path / "start.png").write_bytes(picture())
    fields = ["-p", "Waves", "-s", "1.2", "--steps", "1", "--seed", "-1", "--label", "studio", "--label", "a"]
    job = run("submit", tmp_path / "start.png", *fields).out.strip()
    assert farm.store.get_job(job).labels == ("a", "studio")
    assert "labels rack-2" in run("change", job, "--label", "rack-2").out
    assert "labels none" in run("change", job, "--no-label").out
    assert farm.store.get_job(job).labels == ()
    assert run("change", job, "--label", "a", "--no-label").code == 2
