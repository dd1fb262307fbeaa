"""What the Queue page costs with a thousand jobs, beside the Cluster page; ``pytest -m soak -s`` prints it."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from farm.jobs.nodes import NodeFacts
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.tokens import LoginKeys
from tests.dashboard.conftest import answers, wait_for
from tests.support.browser import browser, in_a_browser, page
from tests.support.jobs import submit
from tests.support.ports import free_port
from tests.support.tiny import tiny_checkpoint

__all__ = ["browser", "page"]

pytestmark = [pytest.mark.soak, *in_a_browser]

JOBS, TRIES, IDLE_SECONDS = 1000, 7, 30.0
SERVE = "import sys, time; from pathlib import Path; from tests.support.api import live_farm\n" + (
    "with live_farm(Path(sys.argv[1]), int(sys.argv[2])): time.sleep(3600)"
)
CONTENT = {"cluster": ".st-key-node-studio-1 .seat", "queue": "[role=gridcell]"}
"""What tells that the first thing of the page that the farm said is there."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Processes:
    """API and dashboard, as processes of their own."""

    url: str
    settings: Settings
    own: tuple[int, ...]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Processes]:
    """A farm with a thousand queued jobs and two machines."""
    port, shown = free_port(), free_port()
    settings = Settings.for_home(tmp_path / "home", url=f"http://127.0.0.1:{port}")
    environment = {
        **os.environ,
        "FARM_HOME": str(settings.home),
        "FARM_URL": settings.url,
        "FARM_PUPPET_PATH": str(tiny_checkpoint(tmp_path / "checkpoint")),
    }
    api = subprocess.Popen([sys.executable, "-c", SERVE, str(settings.home), str(port)], env=environment)
    wait_for(lambda: answers(f"{settings.url}/api/v1/health"))
    dashboard = subprocess.Popen([sys.executable, "-m", "dashboard", str(shown)], env=environment)
    try:
        store = JobStore(settings.database_url)
        for number in range(JOBS):
            submit(store, name=f"shot {number}", owner=f"artist {number % 5}")
        store.put_facts([NodeFacts(f"studio-{n}", f"{n}f" * 28, cores=8, devices=("H100",)) for n in (1, 2)])
        for number in (1, 2):
            more = {"host": f"studio-{number}", "seat": "cuda-0", "device_name": "NVIDIA H100"}
            store.upsert_replica(f"r-{number}", f"{number}f" * 28, "H100", "idle", more=more)
        store.close()
        wait_for(lambda: answers(f"http://127.0.0.1:{shown}/_stcore/health"))
        yield Processes(f"http://127.0.0.1:{shown}", settings, (api.pid, dashboard.pid))
    finally:
        for process in (dashboard, api):
            process.terminate()
            process.wait(10)


def test_queue_of_a_thousand_beside_cluster(page: Page, busy: Processes) -> None:
    page.goto(LoginKeys(busy.settings.login_keys_dir).link(busy.url), wait_until="commit")
    times: dict[str, list[float]] = {name: [] for name in CONTENT}
    for _ in range(TRIES):
        for name, found in times.items():
            found.append(_seconds_to_content(page, busy.url, name))
    rest = {name: _idle(page, busy, name) for name in CONTENT}
    for name, found in times.items():
        first, again = found[0], statistics.median(found[1:])
        server, tab = rest[name]
        print(
            f"\n{name}: first content {again:.2f} s (the first time {first:.2f} s); in {IDLE_SECONDS:g} s of rest",
            end=" ",
        )
        print(f"API and dashboard {server:.2f} CPU s, browser {tab:.2f} CPU s")
    ratio = statistics.median(times["queue"][1:]) / statistics.median(times["cluster"][1:])
    print(f"queue over cluster: first content {ratio:.2f}, CPU {sum(rest['queue']) / sum(rest['cluster']):.2f}")


def _seconds_to_content(page: Page, url: str, name: str) -> float:
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(f"{url}/{name}", wait_until="commit")
    page.locator(CONTENT[name]).first.wait_for(state="attached")
    return time.perf_counter() - began


def _idle(page: Page, busy: Processes, name: str) -> tuple[float, float]:
    """CPU seconds of the servers and of the browser while a tab is open and nothing happens."""
    _seconds_to_content(page, busy.url, name)
    page.wait_for_timeout(5000)
    before = _cpu(busy)
    page.wait_for_timeout(IDLE_SECONDS * 1000)
    after = _cpu(busy)
    return after[0] - before[0], after[1] - before[1]


def _cpu(busy: Processes) -> tuple[float, float]:
    """CPU seconds so far, of the servers, and of this process's other descendants: the browser."""
    parents, used = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(fields[1])
            used[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS

    def below(process: int, ancestor: int) -> bool:
        while process in parents:
            process = parents[process]
            if process == ancestor:
                return True
        return False

    servers = {each for each in parents if each in busy.own or any(below(each, own) for own in busy.own)}
    others = {each for each in parents if each not in servers and below(each, os.getpid())}
    return sum(used[each] for each in servers), sum(used[each] for each in others)
