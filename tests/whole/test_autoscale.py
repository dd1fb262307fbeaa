"""Machines come for a job that nobody can take, and go when there is nothing to do: real Ray, real autoscaler."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.client import FarmClient
from farm.service import launch
from farm.service.state import ServiceOptions
from farm.settings import Settings
from farm.tokens import ensure_token
from tests.support.api import picture
from tests.support.autoscaling import autoscaling_ray
from tests.support.farms import PATIENCE, wait_for
from tests.support.ports import free_port

MACHINES = 2


@pytest.fixture
def cluster(tiny: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a Ray whose autoscaler has no machine yet."""
    token = tmp_path / "ray-token"
    ensure_token(token)
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "FARM_HOME": str(settings.home)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    with autoscaling_ray(port, MACHINES, environment) as logs:
        wait_for(lambda: listens(port), "Ray listens")
        wait_for(lambda: (logs / "monitor.log").exists(), "its autoscaler runs")
        yield f"127.0.0.1:{port}"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.ray
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_machines_come_for_a_job_and_go_when_it_is_done(cluster: str, settings: Settings) -> None:
    options = ServiceOptions(port=free_port(), address=cluster, autoscale="0:2,cpu=1,idle=0.1")
    launch.start(settings, options)
    try:
        with FarmClient(options.url, settings.token_path.read_text().strip(), timeout=PATIENCE) as client:
            assert [node["replicas"] for node in client.nodes()] in ([], [[]]), "the head has no CPU"
            fields = {"prompt": "The puppet waves", "total_second_length": 2.4, "steps": 4, "cache": "none"}
            job = client.submit(picture(), fields)["id"]
            seen = watch(client, job)
            detail = client.job(job)
            assert detail["job"]["state"] == "completed", detail["job"]["error"]
            assert "(coming)" in seen["nodes"] and "It waits for a machine to start." in seen["reasons"]
            assert 1 <= len(working(client)) <= MACHINES
            wait_for(lambda: not working(client), "the machines have gone")
            again = client.submit(picture(), {**fields, "seed": 2})["id"]
            watch(client, again)
            assert client.job(again)["job"]["state"] == "completed"
    finally:
        assert launch.stop(settings)


def working(client: FarmClient) -> list[str]:
    """Nodes that are there, but for the head."""
    return [node["host"] for node in client.nodes() if node["cores"] and node["state"] not in ("gone", "coming")]


def watch(client: FarmClient, job: str) -> dict[str, set[str]]:
    """What was said until the job ended."""
    seen: dict[str, set[str]] = {"nodes": set(), "reasons": set()}
    deadline = time.monotonic() + PATIENCE
    while (found := client.job(job)["job"])["state"] in ("pending", "running") and time.monotonic() < deadline:
        seen["nodes"] |= {node["host"] for node in client.nodes()}
        seen["reasons"].add(str((found.get("outlook") or {}).get("why", "")) if "outlook" in found else found["why"])
        time.sleep(0.5)
    return seen
