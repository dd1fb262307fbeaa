"""Draining, hours and caps with real replicas in mid-work."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from farm.jobs.nodes import Drain, NodeChange
from farm.jobs.records import Attempt, Job

from .conftest import Cluster, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def nudge(cluster: Cluster) -> None:
    import ray

    ray.get(cluster.coordinator.nudge.remote())


@pytest.fixture
def host(cluster: Cluster) -> Iterator[str]:
    """The one node's name; afterwards nothing is wanted of it."""
    (node,) = wait_for(cluster.store.nodes, "the node's row")
    yield node.host
    for seat in ("", *node_seats(cluster)):
        cluster.store.undrain(node.host, seat)
    cluster.store.change_node(node.host, NodeChange(labels=[], hours="any", max_replicas=None))
    nudge(cluster)
    cluster.rested()


def node_seats(cluster: Cluster) -> list[str]:
    return [replica.seat for replica in cluster.store.replicas() if replica.seat]


def seat_of(cluster: Cluster, attempt: Attempt) -> str:
    return next(replica.seat for replica in cluster.store.replicas() if replica.id == attempt.replica)


def after(cluster: Cluster, attempt: Attempt) -> list[Attempt]:
    """What its replica was given later."""
    return [
        other
        for other in cluster.store.attempts(attempt.job_id)
        if other.replica == attempt.replica and other.number and other.started_at > attempt.started_at
    ]


def equal(cluster: Cluster, job: Job, reference: Callable[..., dict[str, Any]]) -> bool:
    import torch

    found, expected = cluster.latents(job.id), reference(steps=job.request.steps, seed=job.request.seed)
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def test_a_drained_replica_finishes_its_section_and_gets_nothing_more(cluster: Cluster, host: str) -> None:
    job, attempt = cluster.in_mid_work(steps=40, seed=277)
    cluster.store.drain(host, Drain("ann", "needs the core"), seat_of(cluster, attempt))
    nudge(cluster)
    assert cluster.finished(job.id).state == "completed"
    found = next(a for a in cluster.store.attempts(job.id) if a.id == attempt.id)
    assert found.state == "committed"
    assert [a.state for a in after(cluster, attempt)] in ([], ["interrupted"]), (
        "only what it held for later, given back"
    )
    row = next(r for r in cluster.store.replicas() if r.id == attempt.replica)
    assert (row.wanted, row.state, row.message) == ("drained", "draining", "drained by ann: needs the core")


def test_now_hands_back_and_the_section_is_done_elsewhere(
    cluster: Cluster, host: str, reference: Callable[..., dict[str, Any]]
) -> None:
    job, attempt = cluster.in_mid_work(steps=40, seed=377)  # another seed, since equal work is done once
    cluster.store.drain(host, Drain("ann", now=True), seat_of(cluster, attempt))
    nudge(cluster)
    assert cluster.finished(job.id).state == "completed"
    ended = next(a for a in cluster.store.attempts(job.id) if a.id == attempt.id)
    assert (ended.state, ended.failure) == ("interrupted", "interruption")
    assert ended.message == f"handed back: {host} is drained by ann"
    task = next(task for task in cluster.store.tasks(job.id) if task.id == attempt.task_id)
    done = [a for a in cluster.store.attempts(job.id) if a.task_id == task.id and a.state == "committed"]
    assert task.failures == 0 and [a.replica != attempt.replica for a in done] == [True]
    assert equal(cluster, job, reference)
    assert cluster.pids().keys() >= {attempt.replica}, "its process lives on"
    cluster.store.undrain(host, seat_of(cluster, attempt))


def test_a_cap_and_hours_decide_how_many_replicas_there_are(cluster: Cluster, host: str) -> None:
    cluster.store.change_node(host, NodeChange(max_replicas=1))
    nudge(cluster)
    wait_for(lambda: len(cluster.pids()) == 1 and len(cluster.store.replicas()) == 1, "one is left")
    cluster.store.change_node(host, NodeChange(max_replicas=0))
    nudge(cluster)
    wait_for(lambda: not cluster.pids(), "none is left")
    cluster.store.change_node(host, NodeChange(max_replicas=None, labels=["studio"]))
    nudge(cluster)
    cluster.rested()
    job = cluster.job(total_second_length=1.2, steps=2, labels=["studio"], seed=78)
    assert cluster.finished(job.id).state == "completed"


def test_a_new_coordinator_knows_what_people_want(cluster: Cluster, host: str) -> None:
    import os
    import signal

    cluster.store.change_node(host, NodeChange(max_replicas=1))
    cluster.store.drain(host, Drain("ann"), "cpu-0")
    nudge(cluster)
    wait_for(lambda: [row.wanted for row in cluster.store.replicas()] == ["drained"], "one is left, and drained")
    before = cluster.status()
    os.kill(before["pid"], signal.SIGKILL)
    after = wait_for(lambda: (s := cluster.status())["recovered"] and s["pid"] != before["pid"] and s, "another one")
    assert [replica["id"] for replica in after["replicas"]] == [replica["id"] for replica in before["replicas"]]
    job = cluster.job(total_second_length=1.2, steps=2, seed=80)
    nudge(cluster)
    wait_for(lambda: [row.state for row in cluster.store.replicas()] == ["draining"], "it still is")
    assert cluster.store.attempts(job.id) == []
    cluster.store.undrain(host, "cpu-0")
    nudge(cluster)
    assert cluster.finished(job.id).state == "completed" and len(cluster.pids()) == 1


def test_what_a_replica_is_stands_in_its_row(cluster: Cluster, host: str) -> None:
    job = cluster.job(total_second_length=2.4, steps=2, seed=79)
    assert cluster.finished(job.id).state == "completed"

    def measured() -> list[Any]:
        return [row for row in cluster.store.replicas() if row.speed and row.expected_speed]

    row = wait_for(measured, "a measured speed in a row")[0]
    assert (row.host, row.models, row.wanted) == (host, ["puppet"], "active") and len(row.loads) == 1
    assert row.seat.startswith("cpu-") and row.memory and row.device_name is not None
    (node,) = cluster.store.nodes()
    assert node.facts.state == "up" and node.facts.cores == 2 and node.facts.memory > 0
