"""A storm: while jobs render on a real farm, random processes of it are killed or frozen, one after the other.

Longer ones by hand: ``python -m tests.chaos.storm --blows 200 --jobs 12 --seed 3``. The same seed draws the same kinds
of victims in the same order; what they are at by then is up to the machine.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from farm.client import FarmClient
from farm.errors import FarmError
from farm.jobs.names import use_of
from farm.jobs.records import Attempt, AttemptState
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.work.reference import render_in_process
from tests.support.api import picture
from tests.support.farms import Farm, wait_for
from tests.support.services import Service, running_service
from tests.support.tiny import tiny_checkpoint

KINDS = {
    "supervisor": "farm.service.supervisor",
    "runner": "farm.service.runner",
    "dashboard": "-m dashboard",
    "raylet": "raylet/raylet",
    "gcs": "gcs_server",
    "agents": "Agent",
    "coordinator": "Coordinator",
    "replica": "ray::Replica",
    "Serve's controller": "ServeController",
    "Serve's proxy": "ProxyActor",
    "API": "ServeReplica",
    "exporter": "plugins.exporters.worker",
    "decoder": "model.footage.worker",
}
"""Processes of a farm, by a word of their command line or title."""
ORDERS = ("bisect", "endpoints", "vanilla", "fanout:2")
FREEZE = 0.3
"""Share of blows that freeze a process instead of killing it; it thaws after ``THAW`` seconds, or never."""
THAW = (1.0, 12.0)
CALM = (0.3, 5.0)
"""Seconds between two blows."""
PATIENCE = 900.0
FILES = ("latents-", "frames-", "conditioning", "video", "contact_sheet", "image")


@dataclass
class Storm:
    """Blows at a running farm. ``forever``: share of frozen processes that stay so."""

    service: Service
    random: random.Random
    forever: float = 0.0
    log: list[str] = field(default_factory=list)

    def rage(self, blows: int, deadline: float = 1800.0) -> None:
        """Strike so often, while there is work; the last blow's effects may still be felt afterwards."""
        until = time.monotonic() + deadline
        deck: list[str] = []
        while len(self.log) < blows:
            assert time.monotonic() < until, f"only {len(self.log)} blows"
            time.sleep(self.random.uniform(*CALM))
            deck = deck or self.random.sample(list(KINDS), len(KINDS))  # every kind is struck about as often
            kind = next((kind for kind in deck if self._victim(kind)), None)
            if kind is None:
                deck = []
            elif victim := self._victim(kind):
                deck.remove(kind)
                self._strike(kind, victim)

    def _victim(self, kind: str) -> psutil.Process | None:
        """A living process of that kind; of supervisor and runner only while each has the other to bring it back."""
        pair = [self._living(KINDS[name]) for name in ("supervisor", "runner")]
        if kind in ("supervisor", "runner") and not (all(pair) and self._talks()):
            return None
        found = self._living(KINDS[kind])
        return self.random.choice(found) if found else None

    def _talks(self) -> bool:
        """Whether the supervisor follows a runner that runs."""
        state = self.service.state
        return psutil.pid_exists(state.pid) and psutil.pid_exists(state.runner) and state.phase not in ("starting", "")

    def _living(self, word: str) -> list[psutil.Process]:
        home = str(self.service.settings.home)
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED):
                    continue
                if word in " ".join(process.cmdline()) and self._is_ours(process, home):
                    found.append(process)
        return sorted(found, key=lambda process: process.pid)

    def _is_ours(self, process: psutil.Process, home: str) -> bool:
        with suppress(psutil.Error):
            if home in process.environ().get("FARM_HOME", ""):
                return True
            return any(home in parent.environ().get("FARM_HOME", "") for parent in process.parents()[:3])
        return False

    def _strike(self, kind: str, victim: psutil.Process) -> None:
        with suppress(psutil.Error):
            if self.random.random() >= FREEZE:
                self._note(f"kill {kind} {victim.pid}")
                victim.kill()
                return
            if self.random.random() < self.forever:
                self._note(f"freeze {kind} {victim.pid} for ever")
                victim.suspend()
                return
            seconds = self.random.uniform(*THAW)
            self._note(f"freeze {kind} {victim.pid} for {seconds:.1f} s")
            victim.suspend()
            time.sleep(seconds)
            victim.resume()

    def _note(self, line: str) -> None:
        self.log.append(line)
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def fields_of(index: int, seconds: float, steps: int) -> dict[str, object]:
    """What the storm's job of that number asks for."""
    return {
        "prompt": "The puppet waves",
        "name": f"storm {index}",
        "total_second_length": seconds,
        "steps": steps,
        "seed": 100 + index,
        "order": ORDERS[index % len(ORDERS)],
        "cache": "none",
    }


def weather(home: Path, blows: int, jobs: int, seed: int, forever: float, seconds: float, steps: int) -> Counter[str]:
    """Start a farm in ``home``, queue jobs, strike, wait, and compare with renders that nothing disturbed.

    Returns how often each kind of process was struck. ``FARM_HOME`` and ``FARM_PUPPET_PATH`` must be set.
    """
    settings = Settings.for_home(home / "storm")
    with running_service(settings, replicas=2) as service:
        with service.client() as client:
            wanted = [fields_of(index, seconds, steps) for index in range(jobs)]
            ids = [str(client.submit(picture(), fields)["id"]) for fields in wanted]
            storm = Storm(service, random.Random(seed), forever)
            storm.rage(blows)
            wait_for(lambda: all(_ended(client, job_id) for job_id in ids), "all jobs", PATIENCE)
        service.steady()
    store, artifacts = JobStore(settings.database_url), open_store(settings)
    undisturbed = Farm(Settings.for_home(home / "calm"))
    for job_id, fields in zip(ids, wanted, strict=True):
        job = store.get_job(job_id)
        assert job.state == "completed", f"{fields['order']}: {job.state} {job.error}"
        calm = render_in_process(undisturbed.store, undisturbed.artifacts, undisturbed.job(**fields).id)
        assert calm.state == "completed", calm.error
        theirs = dict(_contents(undisturbed.store, undisturbed.artifacts, calm.id))
        ours = dict(_contents(store, artifacts, job_id))
        assert ours.keys() == theirs.keys()
        differing = [name for name in ours if ours[name] != theirs[name]]
        assert not differing, f"{fields['order']}: {differing}"
        attempts = store.attempts(job_id)
        committed = Counter(each.task_id for each in attempts if each.state is AttemptState.COMMITTED)
        assert set(committed) == {task.id for task in store.tasks(job_id)} and set(committed.values()) == {1}
        assert not [each for each in attempts if each.state is AttemptState.RUNNING]
        _tell(str(fields["order"]), attempts)
    store.close()
    return Counter(line.split(" ", 1)[1].rsplit(" for ", 1)[0].rsplit(" ", 1)[0] for line in storm.log)


def _ended(client: FarmClient, job_id: str) -> bool:
    with suppress(FarmError):
        return client.job(job_id)["job"]["state"] not in ("pending", "running")
    time.sleep(0.5)
    return False


def _contents(store: JobStore, artifacts: ArtifactStore, job_id: str) -> Iterator[tuple[str, object]]:
    """What each file of a job holds, but for who made it and when: tensors by name, or bytes."""
    for name, artifact in store.artifacts(job_id).items():
        if use_of(name) == "work":
            continue  # it goes once the video is there
        if name == "manifest":
            manifest = json.loads(artifacts.read(artifact.key))
            yield name, {key: manifest[key] for key in ("plan", "video", "model")}
        elif artifact.key.endswith(".safetensors"):
            tensors = artifacts.load_tensors(artifact.key)
            yield name, {key: (value.dtype, value.shape, value.numpy().tobytes()) for key, value in tensors.items()}
        elif not name.startswith("preview"):
            yield name, artifacts.read(artifact.key)


def _tell(order: str, attempts: list[Attempt]) -> None:
    lost = Counter(str(each.failure) for each in attempts if each.failure)
    print(f"{order}: {len(attempts)} attempts, {dict(lost) or 'none lost'}", file=sys.stderr)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blows", type=int, default=100, help="how many processes to kill or freeze")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--forever", type=float, default=0.2, help="share of frozen processes that are never thawed")
    parser.add_argument("--seconds", type=float, default=48, help="length of each video")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="storm-", dir="/tmp") as folder:
        home = Path(folder)
        os.environ["FARM_PUPPET_PATH"] = str(tiny_checkpoint(home / "tiny"))
        os.environ["FARM_HOME"] = str(home / "storm")
        began = time.monotonic()
        struck = weather(
            home, options.blows, options.jobs, options.seed, options.forever, options.seconds, options.steps
        )
    print(f"all {options.jobs} videos equal undisturbed ones after {options.blows} blows", end="")
    print(f" in {time.monotonic() - began:.0f} s: {dict(struck)}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
