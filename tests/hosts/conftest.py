"""Farms over several machines, which are namespaces of this one; see ``tests.support.hosts``."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.hosts import Host, hosts

PICTURE = Path(__file__).parents[2] / "examples" / "dancer.png"
VIDEO = ["-p", "The puppet dances.", "--seconds", "12", "--set", "steps=30", "--set", "seed=7"]


class HostsFarm:
    """A head with one replica, and a worker that may join it."""

    def __init__(self, head: Host, worker: Host) -> None:
        self.head, self.worker = head, worker

    def up(self) -> None:
        self.head.farm("up", "--host", "0.0.0.0", "--no-dashboard")
        self.head.farm("nodes", "set", self.head.name, "--max-replicas", "1")

    def join(self, *options: str, check: bool = True) -> Any:
        token = self.head.farm("token", "--node").stdout.strip()
        return self.worker.farm(
            "join", self.head.address, "--cores", "1", *options, check=check, environment={"FARM_NODE_TOKEN": token}
        )

    def nodes(self) -> dict[str, Any]:
        return {node["host"]: node for node in json.loads(self.head.farm("nodes", "--json").stdout)["nodes"]}

    def replica(self) -> dict[str, Any]:
        """The worker's, as the farm sees it; empty when it sees none."""
        node = self.nodes().get(self.worker.name, {})
        found = [replica for replica in node.get("replicas", []) if replica["state"] != "lost"]
        return found[0] if found and node["state"] != "gone" else {}

    def works(self) -> bool:
        return self.replica().get("state") in ("idle", "busy")

    def renders(self) -> bool:
        """Whether the worker is at a section."""
        question = (
            "SELECT count(*) FROM attempts a JOIN tasks t ON t.id = a.task_id JOIN replicas r ON r.id = a.replica"
            " WHERE r.host = ? AND t.kind = 'section' AND a.state = 'running'"
        )
        return bool(self._ask(question, self.worker.name)[0][0])

    def submit(self, *options: str) -> str:
        done = self.head.farm("submit", str(PICTURE), *VIDEO, *options, "--json")
        return str(json.loads(done.stdout)["id"])

    def finish(self, job: str) -> dict[str, Any]:
        """The job, once it is completed."""
        self.head.farm("watch", job)
        shown: dict[str, Any] = json.loads(self.head.farm("show", job, "--json").stdout)["job"]
        assert shown["state"] == "completed", shown
        return shown

    def video(self, job: str) -> bytes:
        target = self.head.folder / f"{job}.mp4"
        self.head.farm("fetch", job, "--out", str(target))
        return target.read_bytes()

    def attempts(self, job: str) -> dict[str, list[str]]:
        """States of the attempts at each section, in order."""
        question = (
            "SELECT t.name, a.state FROM attempts a JOIN tasks t ON t.id = a.task_id"
            " WHERE t.job_id = ? AND t.kind = 'section' ORDER BY a.number"
        )
        found: dict[str, list[str]] = {}
        for name, state in self._ask(question, job):
            found.setdefault(name, []).append(state)
        return found

    def _ask(self, question: str, word: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.head.home / 'farm.sqlite3'}?mode=ro", uri=True)) as database:
            return database.execute(question, (word,)).fetchall()


def until(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Wait for ``condition``; seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what} did not come in {seconds:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def farm() -> Iterator[HostsFarm]:
    """A head that is up, and a worker beside it. Their disks lie outside of /tmp, of which each has its own."""
    with TemporaryDirectory(prefix="farm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as disks:
        yield from _farm(Path(disks))


def _farm(folder: Path) -> Iterator[HostsFarm]:
    with hosts(folder, ["head", "worker"]) as (head, worker):
        shared = folder / "shared"
        shared.mkdir()
        for host in (head, worker):
            host.environment["FARM_ARTIFACTS_URL"] = str(shared)
        made = HostsFarm(head, worker)
        made.up()
        yield made
        head.farm("down")
