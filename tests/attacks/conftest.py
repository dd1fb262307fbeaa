import os
from collections.abc import Iterator

import pytest

from tests.support.api import LiveFarm, live_farm
from tests.support.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    """A served farm to attack."""
    checkpoint = tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FARM_PUPPET_PATH", str(checkpoint))
        with live_farm(tmp_path_factory.mktemp("farm") / "home") as served:
            yield served
