"""`farm up` as users run it, for the tests of one package."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from farm.cli.service import _dashboard_command
from farm.client import FarmClient
from farm.errors import FarmError
from farm.service import launch
from farm.service.state import READY, ServiceOptions, ServiceState, is_running, last_state
from farm.settings import Settings

from .farms import PATIENCE, wait_for
from .ports import free_port, is_free


@dataclass
class Service:
    """A farm that runs."""

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
            wait_for(lambda: _is_well(client), "the API answers")
        return self.state

    def family(self) -> list[psutil.Process]:
        """The supervisor and every living process below it."""
        supervisor = psutil.Process(self.state.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def processes(self, *words: str) -> list[psutil.Process]:
        """Living processes below the supervisor whose command line has one of the words."""
        found = []
        for process in self.family()[1:]:
            try:
                if any(word in " ".join(process.cmdline()) for word in words):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@contextmanager
def running_service(settings: Settings, replicas: int = 1) -> Iterator[Service]:
    """``farm up`` with a dashboard; at the end it must stop and leave nothing that runs.

    ``FARM_HOME`` of this process must be that of ``settings``.
    """
    port = free_port()
    options = ServiceOptions(
        port=free_port(), dashboard_port=port, dashboard_command=_dashboard_command(port), replicas=replicas
    )
    assert launch.stop(settings) is False
    running = Service(settings, options, [])
    launch.start(settings, options, running.phases.append)
    try:
        yield running
    finally:
        assert launch.stop(settings) is True
    wait_for(lambda: is_free(options.port) and is_free(port), "the ports are free")
    assert not [p.cmdline() for p in psutil.process_iter() if of_home(p, settings.home)]


def of_home(process: psutil.Process, home: Path) -> bool:
    """Whether ``process`` is another one than this, alive, and was started for the farm in ``home``."""
    try:
        here = process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE
        tracker = any("resource_tracker" in word for word in process.cmdline())  # of the tests' own child processes
        return not here and not tracker and str(home) in process.environ().get("FARM_HOME", "")
    except (psutil.Error, OSError):
        return False


def _is_well(client: FarmClient) -> bool:
    try:
        return bool(client.health()["status"] == "ok")
    except FarmError:
        return False
