"""Replicas on nodes that share no folder with the head: with another way to the artifacts, and with none."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from farm.cluster import readiness
from farm.cluster.actors import Actors
from farm.cluster.calls import COORDINATOR, NAMESPACE
from farm.cluster.coordinator import Coordinator
from farm.cluster.devices import Slot
from farm.service.local_ray import local_ray
from farm.settings import Settings
from farm.tokens import ensure_token
from tests.support.api import live_farm
from tests.support.farms import Cluster, Farm, wait_for
from tests.support.stores import files

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class FarActors(Actors):
    """For which every replica is on another node."""

    def is_far(self, slot: Slot) -> bool:
        return True


class FarCoordinator(Coordinator):
    """For which every replica is on another node: it goes by the environment of its processes."""

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]
        await super().__init__(settings, max_replicas=1)  # type: ignore[misc]
        self._members.actors = FarActors()
        readiness.LOOK_AGAIN_SECONDS = 0.5


@contextmanager
def farm_elsewhere(head: Path, environment: dict[str, str], patch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    cluster = Cluster(Settings.for_home(head))
    for name, value in environment.items():
        patch.setenv(name, value)
    with local_ray(cluster.settings, 1):
        actor: Any = ray.remote(FarCoordinator)
        options = {"name": COORDINATOR, "namespace": NAMESPACE, "num_cpus": 0, "max_concurrency": 1000}
        cluster.coordinator = actor.options(**options).remote(cluster.settings)
        yield cluster


def test_a_node_renders_the_same_bytes_with_the_heads_store_over_http(
    reference: Callable[..., dict[str, Any]], alone: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node"
    with live_farm(tmp_path / "head") as head:
        token = ensure_token(head.settings.node_token_path)
        own = {"FARM_HOME": str(node), "FARM_ARTIFACTS_URL": head.url, "FARM_NODE_TOKEN": token}
        with farm_elsewhere(head.settings.home, own, monkeypatch) as cluster:
            job = cluster.job(total_second_length=3.6)
            assert cluster.finished(job.id).state == "completed"
            made = cluster.latents(job.id)
            attempts = cluster.store.attempts(job.id)
    expected = reference(total_second_length=3.6)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in expected)
    assert len(attempts) == len(cluster.store.tasks(job.id)), "nothing was tried twice"
    assert len(files(node / "cache" / "artifacts")) > 5
    assert not (node / "artifacts").exists() and not (tmp_path / "head" / "cache").exists()
    assert not [name for name in files(head.settings.artifacts_dir) if "attempt" in name or ".part" in name]


def test_a_replica_that_does_not_see_the_artifacts_gets_nothing_and_says_why(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    with farm_elsewhere(tmp_path / "head", {"FARM_ARTIFACTS_URL": str(mount)}, monkeypatch) as cluster:
        job = cluster.job(total_second_length=1.2)
        wait_for(lambda: [row for row in cluster.store.replicas() if row.state == "quarantined"], "it is quarantined")
        (row,) = cluster.store.replicas()
        assert row.message.startswith("this node does not see the farm's artifacts (") and "farm join" in row.message
        assert cluster.store.attempts(job.id) == [] and cluster.store.get_job(job.id).state == "pending"
        mount.rmdir()
        mount.symlink_to(cluster.settings.artifacts_dir)
        assert cluster.finished(job.id).state == "completed"
        assert {attempt.state for attempt in cluster.store.attempts(job.id)} == {"committed"}
