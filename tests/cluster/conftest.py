"""One real Ray with two replicas for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from farm.settings import Settings
from tests.support.attempts import Settled
from tests.support.farms import PATIENCE, Cluster, Farm, alone, puppet_at, reference, tiny, wait_for

__all__ = ["PATIENCE", "Cluster", "Farm", "alone", "reference", "tiny", "wait_for"]


@pytest.fixture(scope="session")
def started(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    from farm.cluster.coordinator import start_coordinator
    from farm.service.local_ray import local_ray

    with ExitStack() as running:
        with puppet_at(tiny_folder):
            cluster = Cluster(Settings.for_home(tmp_path_factory.mktemp("cluster")))
            running.enter_context(local_ray(cluster.settings, 2))
            cluster.coordinator = start_coordinator(cluster.settings)
        yield cluster


@pytest.fixture
def cluster(tiny: Path, started: Cluster) -> Cluster:
    """The shared cluster with both replicas idle."""
    started.rested()
    return started


@pytest.fixture
def settled(alone: Farm) -> Settled:
    """An attempt at the first task of a job."""
    return Settled(alone)
