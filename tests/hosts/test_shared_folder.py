"""Two machines with a folder for artifacts that both see: one renders for the other, and no file goes by HTTP."""

import pytest

from tests.hosts.conftest import running_farm
from tests.support.stores import files

pytestmark = [pytest.mark.ray, pytest.mark.soak, pytest.mark.timeout(600)]


def test_a_machine_that_joined_renders_with_the_shared_files() -> None:
    with running_farm(shared=True) as farm:
        farm.head.farm("nodes", "set", farm.head.name, "--max-replicas", "0")
        farm.join()
        job = farm.submit(total_second_length=2.4, steps=4)
        farm.finish(job)
        assert all(states == ["committed"] for states in farm.attempts(job).values())
        assert farm.video(job)
        assert not (farm.worker.home / "cache" / "artifacts").exists() and not files(farm.worker.home / "artifacts")
        farm.worker.farm("leave", "--now")
