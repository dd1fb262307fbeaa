"""What it takes until a machine that joins works, and until one that is lost is noticed and back, in seconds.

``python -m tests.hosts.times``, as root on Linux: a head and a worker, which are namespaces of this machine. Moments
are those of the rows, so that asking for them takes none.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hosts.conftest import HostsFarm, until
from tests.support.hosts import hosts

BARS = {"join": 15.0, "killed": 5.0, "cut": 15.0, "head": 30.0}


@contextmanager
def farm_of_two() -> Iterator[HostsFarm]:
    with (
        TemporaryDirectory(prefix="farm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as disks,
        hosts(Path(disks), ["head", "worker"]) as (head, worker),
    ):
        farm = HostsFarm(head, worker)
        farm.up()
        try:
            yield farm
        finally:
            head.farm("down")


def moment(text: str) -> float:
    """Seconds since 1970 of a time as SQLite has it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def first_section(farm: HostsFarm, since: float) -> float:
    """When the worker began a section after that; 0 while it has not."""
    question = (
        "SELECT min(a.started_at) FROM attempts a JOIN tasks t ON t.id = a.task_id JOIN replicas r ON r.id = a.replica"
        " WHERE r.host = ? AND t.kind = 'section'"
    )
    (found,) = farm.ask(question, farm.worker.name)[0]
    return moment(found) if found and moment(found) > since else 0.0


def joins(farm: HostsFarm) -> dict[str, float]:
    """From `farm join` to the first section, with an empty disk."""
    farm.head.farm("nodes", "set", farm.head.name, "--max-replicas", "0")
    farm.submit(seed=1, total_second_length=60)
    began = time.time()
    farm.join()
    joined = time.time() - began
    until(lambda: first_section(farm, began), 300, "a section")
    took = first_section(farm, began) - began
    (data,) = farm.ask("SELECT data FROM replicas WHERE host = ?", farm.worker.name)[0]
    loading = json.loads(data)["loading"][1]
    farm.head.farm("nodes", "set", farm.head.name, "--max-replicas", "1")
    return {"the command": joined, "to the first section": took, "of that the model": loading, "join": took - loading}


def lost(farm: HostsFarm, seed: int, cut: bool) -> tuple[float, float]:
    """From the end of the worker to the end of its attempt in the rows, and to the start of the next one on the head,
    which may have to finish its own section first."""
    farm.at_work(seed)
    question = (
        "SELECT a.task_id FROM attempts a JOIN tasks t ON t.id = a.task_id JOIN replicas r ON r.id = a.replica"
        " WHERE r.host = ? AND t.kind = 'section' AND a.state = 'running'"
    )
    (task,) = farm.ask(question, farm.worker.name)[0]
    began = time.time()
    if cut:
        farm.worker.cut()
    else:
        farm.worker.kill()
    again = "SELECT min(finished_at), max(started_at), count(*) FROM attempts WHERE task_id = ?"
    try:
        until(lambda: farm.ask(again, task)[0][2] > 1, 120, "another attempt")
    finally:
        farm.worker.mend()
    ended, started, _ = farm.ask(again, task)[0]
    return moment(ended) - began, moment(started) - began


def head_back(farm: HostsFarm, seed: int) -> tuple[float, float]:
    """From `farm up` after the head was killed to the worker's return, besides what the command itself took."""
    farm.at_work(seed)
    farm.head.kill()
    began = time.time()
    farm.head.farm("up", "--host", "0.0.0.0", "--no-dashboard")
    up = time.time() - began
    until(farm.works, 300, "the worker's return")
    return up, time.time() - began


def main() -> None:
    with farm_of_two() as farm:
        found = joins(farm)
        found["killed"], found["killed, begun elsewhere"] = lost(farm, 2, cut=False)
        found["cut"], found["cut, begun elsewhere"] = lost(farm, 3, cut=True)
        found["farm up"], found["head"] = head_back(farm, 4)
    for name, seconds in found.items():
        bar = f"should be <= {BARS[name]:g}" if name in BARS else ""
        print(f"{name:<24}{seconds:7.1f} s   {bar}")
    print(f"load of {os.cpu_count()} cores over the last minute: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
