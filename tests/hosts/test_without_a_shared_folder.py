"""Two machines that have no folder in common: one renders for the other, with the head's files by HTTP."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.hosts.conftest import PICTURE, HostsFarm
from tests.support.hosts import hosts
from tests.support.stores import files

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_machine_that_joined_renders_with_the_heads_files() -> None:
    with (
        TemporaryDirectory(prefix="farm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as disks,
        hosts(Path(disks), ["head", "worker"]) as (head, worker),
    ):
        farm = HostsFarm(head, worker)
        farm.up()
        try:
            head.farm("nodes", "set", head.name, "--max-replicas", "0")
            farm.join()
            words = ("-p", "The puppet dances.", "--seconds", "2.4", "--set", "steps=4", "--set", "seed=7")
            job = json.loads(head.farm("submit", str(PICTURE), *words, "--json").stdout)["id"]
            farm.finish(job)
            assert all(states == ["committed"] for states in farm.attempts(job).values())
            assert farm.video(job)
            assert len(files(worker.home / "cache" / "artifacts")) > 5
            assert not files(worker.home / "artifacts") and not (head.home / "cache").exists()
            worker.farm("leave", "--now")
        finally:
            head.farm("down")
