"""`farm up` as users run it: whatever dies, the farm comes back by itself, and jobs go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from farm.client import FarmClient
from farm.errors import ConflictError
from farm.service import launch
from farm.service.state import READY, REBUILDING, is_running
from tests.support.api import picture
from tests.support.farms import wait_for
from tests.support.ports import is_free
from tests.support.services import Service

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

NOTICED = 10.0
"""Seconds within which a death is noticed."""


@pytest.fixture
def job(service: Service) -> Iterator[Callable[[], None]]:
    """A job that renders while the test does harm; the function waits for it and checks that nothing ran twice."""
    service.steady()
    with service.client() as client:
        fields = {"prompt": "The puppet waves", "total_second_length": 3.6, "steps": 40, "cache": "none"}
        job_id = client.submit(picture(), fields)["id"]
        wait_for(lambda: client.job(job_id)["job"]["counts"]["done"] >= 2, "a finished section")

        def finished() -> None:
            service.steady()
            wait_for(lambda: client.job(job_id)["job"]["state"] not in ("pending", "running"), "the job")
            detail = client.job(job_id)
            assert detail["job"]["state"] == "completed", detail["job"]["error"]
            committed = [each["task_id"] for each in detail["attempts"] if each["state"] == "committed"]
            assert len(committed) == len(set(committed)) == 8
            assert {each["failure"] for each in detail["attempts"]} <= {None, "lost", "interruption", "never_started"}
            assert client.artifact(job_id)[4:8] == b"ftyp"

        yield finished


def test_phases_are_told_and_it_starts_once(service: Service) -> None:
    assert service.phases[0].startswith("starting") and "starting the coordinator and the API" in service.phases
    with pytest.raises(ConflictError, match="running already at http"):
        launch.start(service.settings, service.options)
    assert is_running(service.settings)


@pytest.mark.soak
@pytest.mark.parametrize(
    "victim",
    ["raylet/raylet", "gcs_server", "RuntimeEnvAgent"],
)
def test_a_dead_ray_is_noticed_and_built_again(service: Service, job: Callable[[], None], victim: str) -> None:
    rebuilt = service.state.rebuilt
    (process,) = service.processes(victim)
    process.kill()
    killed = time.monotonic()
    wait_for(lambda: service.state.rebuilt == rebuilt + 1, "the death is noticed", NOTICED + 10)
    assert time.monotonic() - killed < NOTICED
    assert service.state.state in (REBUILDING, READY) and "died" in service.state.trouble
    message = cli(service, "jobs") if service.state.state == REBUILDING else "being rebuilt"
    assert "being rebuilt" in message or message == ""
    job()
    with service.client() as client:
        wait_for(lambda: rows(client) in (["idle"], ["busy"], ["resting"]), "one replica, and none of those before")


def rows(client: FarmClient) -> list[str]:
    """States of the replicas that are known."""
    return [replica["state"] for node in client.nodes() for replica in node["replicas"]]


@pytest.mark.soak
def test_a_dead_runner_is_noticed_and_replaced(service: Service, job: Callable[[], None]) -> None:
    rebuilt = service.state.rebuilt
    kill(service, "farm.service.runner")
    wait_for(lambda: service.state.rebuilt == rebuilt + 1, "the death is noticed", NOTICED)
    job()


def test_deaths_of_actors_are_survived(service: Service, job: Callable[[], None]) -> None:
    for victim in ("Coordinator", "ServeController", "ProxyActor", "ServeReplica"):
        kill(service, victim)
        service.steady()
    job()


def kill(service: Service, victim: str) -> None:
    """Kill all processes of that kind, and wait until they are dead."""
    processes = service.processes(victim)
    assert processes, f"no {victim}"
    for process in processes:
        process.kill()
    wait_for(lambda: all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes), "they are dead")


def test_the_runner_takes_the_place_of_a_dead_supervisor(service: Service, job: Callable[[], None]) -> None:
    before = service.state
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: service.state.pid == before.runner, "the runner takes over", 60)
    job()
    assert service.state.runner not in (before.runner, 0)


@pytest.mark.soak
def test_the_runner_ends_a_frozen_supervisor(service: Service, job: Callable[[], None]) -> None:
    before = service.steady()
    os.kill(before.pid, signal.SIGSTOP)
    wait_for(lambda: service.state.pid == before.runner, "the runner takes over", 120)
    job()


@pytest.mark.soak
def test_a_frozen_replica_is_ended(service: Service, job: Callable[[], None]) -> None:
    (replica,) = service.processes("ray::Replica")
    replica.suspend()
    wait_for(lambda: not replica.is_running() or replica.status() == psutil.STATUS_ZOMBIE, "it is ended", 240)
    job()


def test_a_dead_dashboard_is_started_again(service: Service) -> None:
    service.steady()
    (process,) = service.processes("-m dashboard")
    process.kill()
    wait_for(lambda: is_free(service.options.dashboard_port), "it is gone", 30)
    wait_for(lambda: not is_free(service.options.dashboard_port), "it is back")


def cli(service: Service, *words: str) -> str:
    line = [sys.executable, "-m", "farm", *words, "--url", service.options.url]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ}).stderr
