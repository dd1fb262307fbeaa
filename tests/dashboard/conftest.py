"""A real farm for the dashboard: API over HTTP, SQLite, the tiny model, and a worker that renders in this process."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from farm.api.app import create_app
from farm.client import FarmClient
from farm.errors import FarmError
from farm.jobs.records import JobState
from farm.settings import Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from farm.work.reference import render_in_process
from tests.support.farms import puppet_at
from tests.support.ports import free_port


@dataclass
class RunningFarm:
    """A farm that answers; ``working`` decides whether its worker takes jobs."""

    settings: Settings
    client: FarmClient
    working: threading.Event

    def environment(self) -> dict[str, str]:
        """For processes that are to use this farm."""
        return {**os.environ, "FARM_HOME": str(self.settings.home), "FARM_URL": self.settings.url}


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A page that runs in this process takes the place of ``__main__``, and processes started later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="module")
def farm(tiny_folder: Path, started: RunningFarm) -> Iterator[RunningFarm]:
    with puppet_at(tiny_folder):
        yield started


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """A farm that answers where and while the tiny model is the family ``puppet``."""
    folder = tmp_path_factory.mktemp("farm")
    settings = Settings.for_home(folder / "home", url=f"http://127.0.0.1:{free_port()}")
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), port=int(settings.url.rpartition(":")[2]), log_level="warning")
    )
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    wait_for(lambda: answers(f"{settings.url}/api/v1/health"))
    stop, working = threading.Event(), threading.Event()
    working.set()
    worker = threading.Thread(target=_work, args=(settings, stop, working), daemon=True)
    worker.start()
    yield RunningFarm(settings, FarmClient(settings.url, settings.token_path.read_text().strip()), working)
    stop.set()
    worker.join(30)
    server.should_exit = True
    serving.join(10)


def _work(settings: Settings, stop: threading.Event, working: threading.Event) -> None:
    """Render queued jobs one after the other, oldest first."""
    store, artifacts = JobStore(settings.database_url), open_store(settings)
    while not stop.wait(0.1):
        waiting = store.list_jobs(state=JobState.PENDING)[0] + store.list_jobs(state=JobState.RUNNING)[0]
        if working.is_set() and waiting:
            try:
                render_in_process(store, artifacts, waiting[-1].id)
            except FarmError:
                continue
    store.close()


@pytest.fixture(scope="session")
def dashboard_url(tiny_folder: Path, started: RunningFarm) -> Iterator[str]:
    """A running dashboard of that farm."""
    port = free_port()
    with puppet_at(tiny_folder):
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard", str(port)], env=started.environment(), stdout=subprocess.DEVNULL
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{url}/_stcore/health"))
        yield url
    finally:
        process.terminate()
        process.wait(10)
