"""`farm up` as users run it: whatever dies, the farm comes back by itself, and jobs go on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from farm.cli.service import _dashboard_command
from farm.client import FarmClient
from farm.errors import ClusterError, ConflictError, FarmError
from farm.service import launch
from farm.service.state import READY, REBUILDING, ServiceOptions, ServiceState, is_running, last_state
from farm.settings import Settings
from tests.support.api import picture

from .conftest import PATIENCE, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

NOTICED = 10.0
"""Seconds within which a death is noticed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@dataclass
class Service:
    """A farm that runs for the tests of this file."""

    settings: Settings
    options: ServiceOptions
    phases: list[str]

    @property
    def state(self) -> ServiceState:
        state = last_state(self.settings)
        assert state is not None
        return state

    def client(self) -> FarmClient:
        return FarmClient(self.options.url, self.settings.token_path.read_text().strip(), timeout=PATIENCE)

    def steady(self) -> ServiceState:
        """Wait until it is ready and answers."""
        wait_for(lambda: self.state.state == READY and is_running(self.settings), "the farm is ready")
        with self.client() as client:
            wait_for(lambda: well(client), "the API answers")
        return self.state

    def processes(self, *words: str) -> list[psutil.Process]:
        """Living processes below the supervisor whose command line has one of the words."""
        found = []
        for process in psutil.Process(self.state.pid).children(recursive=True):
            try:
                if any(word in " ".join(process.cmdline()) for word in words):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def well(client: FarmClient) -> bool:
    try:
        return bool(client.health()["status"] == "ok")
    except FarmError:
        return False


@pytest.fixture(scope="module")
def service(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patch:
        settings = Settings.for_home(tmp_path_factory.mktemp("service") / "home")
        patch.setenv("FARM_HOME", str(settings.home))
        port = free_port()
        options = ServiceOptions(
            port=free_port(), dashboard_port=port, dashboard_command=_dashboard_command(port), replicas=1
        )
        assert launch.stop(settings) is False
        running = Service(settings, options, [])
        launch.start(settings, options, running.phases.append)
        yield running
        assert launch.stop(settings) is True
        wait_for(lambda: is_free(options.port) and is_free(port), "the ports are free")
        assert not [p for p in psutil.process_iter() if str(settings.home) in environment(p).get("FARM_HOME", "")]


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return {} if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE else process.environ()
    except (psutil.Error, OSError):
        return {}


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
    assert service.phases[0].startswith("starting") and "starting the API" in service.phases
    with pytest.raises(ConflictError, match="running already at http"):
        launch.start(service.settings, service.options)
    assert is_running(service.settings)


@pytest.mark.parametrize("victim", ["raylet/raylet", "gcs_server", "RuntimeEnvAgent"])
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
        rows = client.nodes()
        assert [row["state"] for row in rows if row["state"] in ("idle", "busy", "resting")] and len(rows) == 1


@pytest.mark.parametrize(
    "victim", ["farm.service.runner", "Coordinator", "ServeController", "ProxyActor", "ServeReplica"]
)
def test_other_deaths_are_survived(service: Service, job: Callable[[], None], victim: str) -> None:
    processes, rebuilt = service.processes(victim), service.state.rebuilt
    assert processes, f"no {victim}"
    for process in processes:
        process.kill()
    if victim == "farm.service.runner":
        wait_for(lambda: service.state.rebuilt == rebuilt + 1, "the death is noticed", NOTICED)
    wait_for(lambda: all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes), "they are dead")
    job()


def test_the_runner_takes_the_place_of_a_dead_supervisor(service: Service, job: Callable[[], None]) -> None:
    before = service.state
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: service.state.pid == before.runner, "the runner takes over", 60)
    job()
    assert service.state.runner not in (before.runner, 0)


def test_a_dead_dashboard_is_started_again(service: Service) -> None:
    service.steady()
    (process,) = service.processes("-m streamlit")
    process.kill()
    wait_for(lambda: is_free(service.options.dashboard_port), "it is gone", 30)
    wait_for(lambda: not is_free(service.options.dashboard_port), "it is back")


def cli(service: Service, *words: str) -> str:
    line = [sys.executable, "-m", "farm", *words, "--url", service.options.url]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ}).stderr


def test_taken_port_is_named(settings: Settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}.*--port"):
            launch.start(settings, ServiceOptions(port=port))


def test_a_farm_that_cannot_start_says_why(settings: Settings):
    options = ServiceOptions(port=free_port(), address="127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"did not start: can't join the Ray cluster at 127\.0\.0\.1:1"):
        launch.start(settings, options)
    assert not is_running(settings)
