"""`farm up`, a job over HTTP, SIGKILL of the supervisor, `farm up` again, `farm down`."""

import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from farm.client import FarmClient
from farm.cluster import service
from farm.errors import ConflictError
from farm.settings import Settings
from tests.support.api import picture

from .conftest import PATIENCE, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_farm_survives_the_death_of_its_supervisor(tiny: Path, settings: Settings):
    from farm.cli.service import _dashboard_command

    dashboard_port = free_port()
    options = service.ServiceOptions(
        port=free_port(),
        dashboard_port=dashboard_port,
        dashboard_command=_dashboard_command(dashboard_port),
        replicas=1,
    )
    command = service.supervisor_command("farm.cli.service")
    assert service.stop(settings) is False
    state = service.start(settings, options, command)
    try:
        with pytest.raises(ConflictError, match="running already"):
            service.start(settings, options, command)
        with urllib.request.urlopen(state.dashboard_url, timeout=PATIENCE) as page:
            assert page.status == 200
        with FarmClient(state.url, settings.token_path.read_text().strip(), timeout=PATIENCE) as client:
            job = client.submit(picture(), {"prompt": "The puppet waves", "total_second_length": 3.6, "steps": 20})
            wait_for(lambda: client.job(job["id"])["job"]["counts"]["done"] >= 2, "a finished section")
        os.kill(state.pid, signal.SIGKILL)
        wait_for(lambda: service.read_state(settings) is None, "the supervisor is dead")
        wait_for(lambda: _is_free(options.port) and _is_free(dashboard_port), "everything died with it")

        state = service.start(settings, options, command)
        with FarmClient(state.url, settings.token_path.read_text().strip(), timeout=PATIENCE) as client:
            wait_for(lambda: client.job(job["id"])["job"]["state"] != "running", "the job")
            detail = client.job(job["id"])
            assert detail["job"]["state"] == "completed", detail["job"]["error"]
            committed = [each["task_id"] for each in detail["attempts"] if each["state"] == "committed"]
            assert len(committed) == len(set(committed)) == 8
            assert client.artifact(job["id"], "video")[4:8] == b"ftyp"
    finally:
        assert service.stop(settings)
    assert _is_free(options.port) and _is_free(dashboard_port)
    assert not (settings.run_dir / "service.json").exists()


def test_taken_port_is_named(settings: Settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}.*--port"):
            service.start(settings, service.ServiceOptions(port=port), ("false",))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
