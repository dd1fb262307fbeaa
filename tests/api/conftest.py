import os
from collections.abc import Iterator

import pytest

from farm.client import FarmClient
from tests.support.api import LiveFarm, live_farm
from tests.support.tiny import tiny_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module")
def farm(checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    """One served farm per test module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FARM_PUPPET_PATH", str(checkpoint))
        with live_farm(tmp_path_factory.mktemp("farm") / "home") as served:
            yield served


@pytest.fixture
def client(farm: LiveFarm) -> Iterator[FarmClient]:
    with farm.client() as made:
        yield made
