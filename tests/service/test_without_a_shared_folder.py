"""Two machines that have no folder in common: one joins the other and renders for it, with the head's files by HTTP."""

import json
from pathlib import Path

import pytest

from tests.support.api import picture
from tests.support.farms import wait_for
from tests.support.hosts import Host, hosts
from tests.support.stores import files
from tests.support.tiny import tiny_checkpoint


def jobs_of(head: Host) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(head.farm("jobs", "--json").stdout)["jobs"]
    return found


@pytest.mark.slow
@pytest.mark.ray
def test_a_machine_that_joined_renders_with_the_heads_files(tmp_path: Path) -> None:
    tiny = tiny_checkpoint(tmp_path / "tiny")
    (tmp_path / "start.png").write_bytes(picture())
    with hosts(tmp_path, ["head", "w1"]) as (head, node):
        for host in (head, node):
            host.environment["FARM_PUPPET_PATH"] = str(tiny)
        head.farm("up", "--host", head.address, "--no-dashboard")
        try:
            head.environment["FARM_URL"] = f"http://{head.address}:8000"
            head.farm("nodes", "set", "head", "--max-replicas", "0")
            node.farm("join", head.address, "--token", head.farm("token", "--node").stdout.strip(), "--cores", "1")
            words = ("-p", "The puppet waves", "-s", "3.6", "--set", "steps=4", "--seed", "5")
            head.farm("submit", str(tmp_path / "start.png"), *words)
            wait_for(lambda: jobs_of(head)[0]["state"] not in ("pending", "running"), "the job is done")
            assert jobs_of(head)[0]["state"] == "completed"
            cached = files(node.home / "cache" / "artifacts")
            assert len(cached) > 5
            assert not files(node.home / "artifacts") and not (head.home / "cache").exists()
            assert any(name.endswith(".mp4") for name in files(head.home / "artifacts"))
        finally:
            node.farm("leave", "--now", check=False)
            head.farm("down", check=False)
