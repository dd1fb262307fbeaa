"""Nodes and owners over the API: what is shown, what can be set, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from farm.client import FarmClient
from farm.errors import InputError, NotFoundError
from farm.jobs.nodes import NodeFacts, NodeState
from tests.support.api import LiveFarm, live_farm
from tests.support.jobs import run_task, submit


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[LiveFarm]:
    with live_farm(tmp_path / "home") as farm:
        farm.store.put_facts([NodeFacts("studio-1", "4f" * 28, cores=8, memory=64 * 10**9, devices=("H100",))])
        more = {"host": "studio-1", "seat": "cuda-0", "memory": 79 * 10**9, "device_name": "NVIDIA H100"}
        for number in (0, 1):
            seat = {**more, "seat": f"cuda-{number}"}
            farm.store.upsert_replica(f"replica-{number}", "4f" * 28, "H100", "idle", more=seat)
        yield farm


@pytest.fixture
def client(farm: LiveFarm) -> Iterator[FarmClient]:
    with farm.client() as client:
        yield client


def busy(farm: LiveFarm) -> str:
    """A replica is at a section; gives its job."""
    job = submit(farm.store, name="Waves")
    run_task(farm.store, job.id, "encode", "replica-0")
    run_task(farm.store, job.id, "section-000", "replica-0")
    attempt = farm.store.start_attempt(f"{job.id}.section-003", "replica-0")
    farm.store.report_progress(attempt.id, 12, 25)
    more = {"host": "studio-1", "seat": "cuda-0", "models": ["puppet"], "loads": [datetime.now(UTC).timestamp(), 1.0]}
    trouble = {"trouble": "decode-001: out of memory", "trouble_at": datetime.now(UTC)}
    farm.store.upsert_replica(
        "replica-0", "4f" * 28, "H100", "busy", data={"attempt": attempt.id}, more={**more, **trouble}
    )
    return job.id


def test_a_node_says_what_it_is_and_what_it_is_at(farm: LiveFarm, client: FarmClient) -> None:
    job = busy(farm)
    (node,) = client.nodes()
    assert (node["host"], node["state"], node["devices"], node["cores"]) == ("studio-1", "active", ["H100"], 8)
    first, second = node["replicas"]
    assert first["work"] == {"job_id": job, "job_name": "Waves", "task": "section-003", "step": 12, "steps": 25}
    assert (first["state"], second["state"], second["work"]) == ("busy", "idle", None)
    assert (first["loads"], node["loads"], first["models"]) == (1, 1, ["puppet"])
    assert node["sections_per_hour"] == first["sections_per_hour"] == 12.0, "one in the shortest span, five minutes"
    assert first["trouble"] == "decode-001: out of memory" and first["trouble_at"]


def test_drain_waits_for_what_is_in_hand(farm: LiveFarm, client: FarmClient) -> None:
    busy(farm)
    nudges = farm.nudges
    node = client.drain("studio-1", reason="new driver", by="ann")
    assert (node["state"], node["message"]) == ("draining", "drained by ann: new driver")
    assert [replica["state"] for replica in node["replicas"]] == ["draining", "drained"]
    assert node["drain"]["at"] and farm.nudges == nudges + 1
    assert client.undrain("4f" * 28)["state"] == "active"


def test_one_replica_is_drained_by_its_place(farm: LiveFarm, client: FarmClient) -> None:
    node = client.drain_replica("replica-1", now=True)
    assert (node["state"], list(node["seats"]), node["seats"]["cuda-1"]["now"]) == ("active", ["cuda-1"], True)
    assert [replica["state"] for replica in node["replicas"]] == ["idle", "drained"]
    assert client.undrain_replica("replica-1")["seats"] == {}


def test_settings_are_changed_one_by_one(client: FarmClient) -> None:
    client.change_node("studio-1", labels=["studio", "a100", "studio"], hours="22:00-7")
    node = client.change_node("studio-1", max_replicas=1)
    assert (node["labels"], node["hours"], node["max_replicas"]) == (["a100", "studio"], "22-07", 1)
    node = client.change_node("studio-1", labels=[], hours="any", max_replicas=None)
    assert (node["labels"], node["hours"], node["max_replicas"]) == ([], "", None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"hours": "25-7"}, "hours: should be hours of the day such as 22-07"),
        ({"max_replicas": -1}, "max_replicas: input should be greater than or equal to 0"),
        ({"labels": ["Two Words"]}, "labels.0: string should match pattern"),
        ({"labels": [f"l{n}" for n in range(17)]}, "labels: tuple should have at most 16 items"),
        ({"wanted": "drained"}, "wanted: extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(client: FarmClient, values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        client.change_node("studio-1", **values)
    assert said in str(refused.value)


def test_unknown_names_are_answered_with_the_nearest(client: FarmClient) -> None:
    for act in (client.drain, client.undrain, lambda name: client.change_node(name, hours="any")):
        with pytest.raises(NotFoundError, match="Did you mean 'studio-1'"):
            act("studio1")
    for act in (client.drain_replica, client.undrain_replica):
        with pytest.raises(NotFoundError, match="Did you mean 'replica-1'"):
            act("replica-l")


def test_nodes_that_left_or_are_closed_say_so(farm: LiveFarm, client: FarmClient) -> None:
    farm.store.put_facts([NodeFacts("b", "1", message="outside its hours 22-07"), NodeFacts("c", state=NodeState.GONE)])
    states = {node["host"]: (node["state"], node["message"]) for node in client.nodes()}
    assert states["b"] == ("closed", "outside its hours 22-07") and states["c"][0] == "gone"


def test_owners_have_shares_and_limits(farm: LiveFarm, client: FarmClient) -> None:
    job = submit(farm.store, owner="ann/2")
    submit(farm.store, owner="ben")
    run_task(farm.store, job.id, "encode")
    assert client.change_owner("ann/2", weight=2, limit=4)["limit"] == 4
    ann, ben = client.owners()
    assert ann == {"name": "ann/2", "weight": 2.0, "limit": 4, "share": 1.0, "waiting": 0, "running": 1}
    assert ben == {"name": "ben", "weight": 1.0, "limit": None, "share": 0.0, "waiting": 1, "running": 0}
    assert client.change_owner("ann/2", limit=None)["weight"] == 2.0
    for values in ({"weight": 0}, {"weight": -1}, {"limit": 0}, {"weight": 1e9}, {"used": 0}):
        with pytest.raises(InputError):
            client.change_owner("ann/2", **values)


def test_a_job_asks_for_labels(farm: LiveFarm, client: FarmClient) -> None:
    job = submit(farm.store, labels=["studio"])
    assert client.job(job.id)["job"]["labels"] == ["studio"]
    assert client.change(job.id, labels=["rack-2", "a"])["labels"] == ["a", "rack-2"]
    with pytest.raises(InputError, match=r"labels\.0"):
        client.change(job.id, labels=["No Good"])


@pytest.mark.parametrize("name", ["a%00b", "a%0Ab", "%2E%2E", "a'--", "x" * 121, "%E7%8C%AB", "a%20b"])
def test_no_node_has_such_a_name(farm: LiveFarm, name: str) -> None:
    headers = {"Authorization": f"Bearer {farm.token}"}
    for method, path in (("PATCH", ""), ("POST", "/drain"), ("POST", "/undrain")):
        if path or name != "%2E%2E":
            answer = httpx.request(method, f"{farm.url}/api/v1/nodes/{name}{path}", json={}, headers=headers)
            assert 400 <= answer.status_code < 500, answer.text
