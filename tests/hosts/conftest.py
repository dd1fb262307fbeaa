"""Farms over several machines, which are namespaces of this one; see ``tests.support.hosts``."""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from farm.settings import Settings
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.farms import Farm
from tests.support.hosts import Host, hosts

PICTURE = Path(__file__).parents[2] / "examples" / "dancer.png"
FIELDS = {"prompt": "The puppet dances.", "total_second_length": 7.2, "steps": 20, "seed": 7}
"""Six sections, each of which takes the bundled model seconds."""
SUBMIT = """
import json, sys
from farm.client import FarmClient
token, picture, given, count = sys.argv[1:]
fields = json.loads(given)
with FarmClient("http://127.0.0.1:8000", token) as client, open(picture, "rb") as file:
    image = file.read()
    jobs = [client.submit(image, {**fields, "seed": fields["seed"] + index}) for index in range(int(count))]
    print(json.dumps([job["id"] for job in jobs]))
"""


class HostsFarm:
    """A head with one replica, and workers that may join it; ``worker`` is the first of them."""

    def __init__(self, head: Host, *workers: Host) -> None:
        self.head, self.workers = head, workers
        self.worker = workers[0]

    def up(self) -> None:
        self.head.farm("up", "--host", "0.0.0.0", "--no-dashboard")
        self.head.farm("nodes", "set", self.head.name, "--max-replicas", "1")

    def join(self, *options: str, check: bool = True, worker: Host | None = None) -> Any:
        token = self.head.farm("token", "--node").stdout.strip()
        words = ("join", self.head.address, "--cores", "1", *options)
        return (worker or self.worker).farm(*words, check=check, environment={"FARM_NODE_TOKEN": token})

    def there(self, worker: Host | None = None) -> None:
        """Have a worker in the farm, whatever was done to it before."""
        worker = worker or self.worker
        if not self.works(worker):
            if worker.farm("join", self.head.address, "--cores", "1", check=False).returncode:
                worker.farm("leave", "--now", check=False)
                self.join(worker=worker)
            until(lambda: self.works(worker), 90, "the replica")

    def nodes(self) -> dict[str, Any]:
        return {node["host"]: node for node in json.loads(self.head.farm("nodes", "--json").stdout)["nodes"]}

    def replica(self, worker: Host | None = None) -> dict[str, Any]:
        """A worker's, as the farm sees it; empty when it sees none."""
        node = self.nodes().get((worker or self.worker).name, {})
        found = [replica for replica in node.get("replicas", []) if replica["state"] != "lost"]
        return found[0] if found and node["state"] != "gone" else {}

    def works(self, worker: Host | None = None) -> bool:
        return self.replica(worker).get("state") in ("idle", "busy")

    def renders(self, worker: Host | None = None) -> bool:
        """Whether a worker is at a section."""
        question = (
            "SELECT count(*) FROM attempts a JOIN tasks t ON t.id = a.task_id JOIN replicas r ON r.id = a.replica"
            " WHERE r.host = ? AND t.kind = 'section' AND a.state = 'running'"
        )
        return bool(self.ask(question, (worker or self.worker).name)[0][0])

    def at_work(self, seed: int) -> str:
        """A job of which the worker renders a section now."""
        self.there()
        job = self.submit(seed=seed)
        until(self.renders, 60, "a section on the worker")
        return job

    def submit_all(self, count: int, **fields: object) -> list[str]:
        """Jobs of seeds from that of ``fields`` on, which come at the same moment as far as one process can."""
        token = self.head.farm("token").stdout.strip()
        given = json.dumps({**FIELDS, **fields})
        done = self.head.run(sys.executable, "-c", SUBMIT, token, str(PICTURE), given, str(count))
        return list(json.loads(done.stdout))

    def submit(self, **fields: object) -> str:
        words = [word for name, value in {**FIELDS, **fields}.items() for word in ("--set", f"{name}={value}")]
        done = self.head.farm("submit", str(PICTURE), *words, "--json")
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
        for name, state in self.ask(question, job):
            found.setdefault(name, []).append(state)
        return found

    def failures(self, jobs: Sequence[str], worker: Host | None = None) -> list[str]:
        """What went wrong on a worker with these jobs, the oldest first."""
        question = (
            "SELECT a.message FROM attempts a JOIN replicas r ON r.id = a.replica"
            " WHERE instr(?, a.job_id) AND r.host = ? AND a.state = 'failed' ORDER BY a.started_at"
        )
        return [message for (message,) in self.ask(question, " ".join(jobs), (worker or self.worker).name)]

    def ask(self, question: str, *words: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.head.home / 'farm.sqlite3'}?mode=ro", uri=True)) as database:
            return database.execute(question, words).fetchall()


def reference(home: Path, **fields: object) -> bytes:
    """The video as one process renders it."""
    alone, media = Farm(Settings.for_home(home)), Media(PICTURE.read_bytes())
    job = render_in_process(alone.store, alone.artifacts, alone.accept(media, **{**FIELDS, **fields}).id)
    assert job.state == "completed", job.error
    return alone.artifacts.read(alone.store.artifacts(job.id)["video"].key)


def until(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Wait for ``condition``; seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what} did not come in {seconds:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def farm() -> Iterator[HostsFarm]:
    """A head that is up, and a worker beside it; they share no folder."""
    with running_farm() as made:
        yield made


@contextmanager
def running_farm(shared: bool = False) -> Iterator[HostsFarm]:
    """Head and worker, perhaps with one folder for artifacts. Disks lie outside of /tmp, of which each has its own."""
    with (
        TemporaryDirectory(prefix="farm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as disks,
        hosts(Path(disks), ["head", "worker"]) as (head, worker),
    ):
        if shared:
            folder = Path(disks) / "shared"
            folder.mkdir()
            for host in (head, worker):
                host.environment["FARM_ARTIFACTS_URL"] = str(folder)
        made = HostsFarm(head, worker)
        made.up()
        try:
            yield made
        finally:
            head.farm("down")
