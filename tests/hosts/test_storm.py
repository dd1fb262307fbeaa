"""Machines that go away in every way there is, and come back by themselves: finished sections were rendered once, the
video has the bytes that one process makes, and the history says what happened."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.hosts.conftest import HostsFarm, reference, until
from tests.support.hosts import hosts

pytestmark = [pytest.mark.ray, pytest.mark.soak, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
JOBS = 20
BROKEN = """
import importlib.util, os, sys

def spoil(module):
    def spoiled(real):
        def method(self, *args, **options):
            made = real(self, *args, **options)
            if os.path.exists("/tmp/error"):
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            if not os.path.exists("/tmp/nan"):
                return made
            if isinstance(made, dict):
                return {name: value * float("nan") for name, value in made.items()}
            return made * float("nan")
        return method
    def unable(self, *args, **options):
        if os.path.exists("/tmp/load"):
            from farm.errors import DeviceError
            raise DeviceError("device 'cuda' can't be used")
        begin(self, *args, **options)
    begin = module.FramePackRenderer.__init__
    module.FramePackRenderer.__init__ = unable
    for name in ("encode", "denoise", "decode"):
        setattr(module.FramePackRenderer, name, spoiled(getattr(module.FramePackRenderer, name)))

class Spoiler:
    def find_spec(self, name, path=None, target=None):
        if name != "model.families.framepack.renderer":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), spoil(module))
        return spec

sys.meta_path.insert(0, Spoiler())
"""
"""The device of a machine breaks when there is a file in its /tmp: after it has joined."""


@pytest.fixture(autouse=True)
def bundled(monkeypatch: pytest.MonkeyPatch) -> None:
    """These machines have the bundled model."""
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)


@pytest.fixture(scope="module")
def trio() -> Iterator[HostsFarm]:
    """A head and two workers, with nothing in common."""
    with (
        TemporaryDirectory(prefix="farm-hosts-", dir="/var/tmp", ignore_cleanup_errors=True) as disks,
        hosts(Path(disks), ["head", "one", "two"]) as (head, one, two),
    ):
        site = two.folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(BROKEN)
        two.environment["PYTHONPATH"] = f"{site}:{ROOT}"
        made = HostsFarm(head, one, two)
        made.up()
        yield made
        head.farm("down")


@pytest.fixture
def pair(trio: HostsFarm) -> HostsFarm:
    """The head and the first worker; the other one is out."""
    trio.workers[1].farm("leave", "--now", check=False)
    return trio


def test_a_minute_of_video_on_three_machines(trio: HostsFarm, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:  # both at the same time
        list(pool.map(lambda worker: trio.join(worker=worker), trio.workers))
    for worker in trio.workers:
        until(lambda worker=worker: trio.works(worker), 60, worker.name)
    fields = {"total_second_length": 60, "steps": 8}
    job = trio.submit(**fields)
    trio.finish(job)
    assert all(states == ["committed"] for states in trio.attempts(job).values())
    question = "SELECT DISTINCT r.host FROM attempts a JOIN replicas r ON r.id = a.replica WHERE a.job_id = ?"
    assert {host for (host,) in trio.ask(question, job)} == {"head", "one", "two"}
    assert trio.video(job) == reference(tmp_path, **fields)


@pytest.mark.parametrize(("fault", "most"), [("nan", 3), ("error", 3), ("load", 1)])
def test_a_broken_device_fails_three_tasks_at_most(trio: HostsFarm, fault: str, most: int) -> None:
    """One that can't even load its model fails one."""
    two = trio.workers[1]
    for worker in trio.workers:
        trio.there(worker)
    (two.folder / "tmp" / fault).touch()
    if fault == "load":
        assert two.kill("ray::Replica")
        until(lambda: "can't be used" in trio.replica(two).get("trouble", ""), 90, "a replica that can't load")
    try:
        jobs = trio.submit_all(JOBS, total_second_length=1.2, steps=8, seed=500 + 50 * len(fault))
        done = "SELECT count(*) FROM jobs WHERE state = 'completed' AND instr(?, id)"
        until(lambda: trio.ask(done, " ".join(jobs))[0][0] == JOBS, 400, "20 videos")
        failures = trio.failures(jobs, two)
        assert 1 <= len(failures) <= most, failures
        words = {"nan": "finite numbers", "error": "CUDA", "load": "can't be used"}
        assert words[fault] in trio.replica(two)["trouble"]
    finally:
        (two.folder / "tmp" / fault).unlink()
        two.farm("leave", "--now", check=False)


def test_another_version_may_not_join(trio: HostsFarm) -> None:
    two = trio.workers[1]
    two.farm("leave", "--now", check=False)
    other = two.folder / "other"
    for name in ("farm", "model", "plugins", "presets"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__", "checkpoint"))
    with (other / "farm" / "errors.py").open("a") as file:
        file.write("# another version\n")
    token = trio.head.farm("token", "--node").stdout.strip()
    words = [sys.executable, "-m", "farm", "join", trio.head.address, "--token", token]
    for more in ([], ["--anyway"]):
        told = two.run(*words, *more, check=False, environment={"PYTHONPATH": str(other)})
        assert told.returncode and "code" in told.stdout and "the same versions on both" in told.stdout
        assert "versions" in told.stderr and "--anyway" not in told.stderr


@pytest.mark.parametrize("seconds", [10, 60])
def test_a_cut_line_costs_a_section_and_mends_itself(pair: HostsFarm, seconds: int, tmp_path: Path) -> None:
    job = pair.at_work(100 + seconds)
    pair.worker.cut()
    try:
        if seconds > 20:
            until(lambda: not pair.replica(), 20, "notice of the cut line")
        time.sleep(seconds if seconds < 20 else seconds - 15)
    finally:
        pair.worker.mend()
    until(pair.works, 60, "the worker's return")
    whole(pair, job, tmp_path, *(["replica_lost"] if seconds > 20 else []), seed=100 + seconds)


@pytest.mark.parametrize("part", ["", "raylet/raylet", "ray::Replica"])
def test_what_is_killed_on_a_machine_is_noticed_and_done_elsewhere(pair: HostsFarm, part: str, tmp_path: Path) -> None:
    seed = 200 + len(part)
    job = pair.at_work(seed)
    seen = pair.replica()["id"]
    assert pair.worker.kill(part)
    until(lambda: pair.replica().get("id") != seen, 20, "notice of the dead")
    if not part:
        pair.join()
    whole(pair, job, tmp_path, "replica_lost", seed=seed)


def test_a_killed_head_finds_its_machines_again(pair: HostsFarm, tmp_path: Path) -> None:
    job = pair.at_work(300)
    pair.head.kill()
    pair.head.farm("up", "--host", "0.0.0.0", "--no-dashboard")
    until(pair.works, 60, "the worker's return")
    whole(pair, job, tmp_path, "replica_lost", seed=300)


def test_a_frozen_replica_is_replaced(pair: HostsFarm, tmp_path: Path) -> None:
    job = pair.at_work(400)
    assert pair.worker.kill("ray::Replica", signal.SIGSTOP)
    whole(pair, job, tmp_path, "replica_lost", seed=400)


def test_a_frozen_machine_is_given_up_and_comes_back(pair: HostsFarm, tmp_path: Path) -> None:
    job = pair.at_work(410)
    try:
        assert pair.worker.kill("", signal.SIGSTOP)
        until(lambda: not pair.replica(), 20, "notice of the frozen machine")
        pair.finish(job)
    finally:
        pair.worker.kill("", signal.SIGCONT)
    whole(pair, job, tmp_path, "replica_lost", seed=410)


def test_a_full_disk_is_told_and_work_goes_elsewhere(pair: HostsFarm, tmp_path: Path) -> None:
    worker = pair.worker
    worker.farm("leave", "--now", check=False)
    cache = worker.home / "cache"
    cache.mkdir(exist_ok=True)
    worker.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(cache))
    try:
        pair.join()
        until(pair.works, 60, "the worker's replica")
        job = pair.submit(seed=420)
        pair.finish(job)
        failures = pair.failures([job])
        assert failures and all("of this machine: No space left" in message for message in failures), failures
        assert "No space left" in pair.replica()["trouble"]
        worker.run("mount", "-o", "remount,size=200m", str(cache))
        worker.farm("leave", "--now")
        pair.join()  # a new seat; the old one is quarantined, and would be asked again minutes later
        whole(pair, job, tmp_path, seed=420)
    finally:
        worker.farm("leave", "--now", check=False)
        with suppress(AssertionError):
            worker.run("umount", "-l", str(cache))


def test_a_drain_lets_a_section_end(pair: HostsFarm, tmp_path: Path) -> None:
    job = pair.at_work(430)
    pair.head.farm("drain", pair.worker.name, "--reason", "new driver", "--wait")
    assert not pair.renders() and pair.nodes()[pair.worker.name]["state"] == "drained"
    pair.head.farm("undrain", pair.worker.name)
    whole(pair, job, tmp_path, seed=430)
    assert all(states == ["committed"] for states in pair.attempts(job).values())


def whole(farm: HostsFarm, job: str, home: Path, *told: str, seed: int) -> None:
    """The job completes, every section was rendered to its end once, its history has lines of the kinds ``told``, its
    video is what one process makes of that ``seed``, and the worker is back."""
    farm.finish(job)
    for name, states in farm.attempts(job).items():
        assert states.count("committed") == 1 and len(states) <= 2, (name, states)
    kinds = {kind for (kind,) in farm.ask("SELECT kind FROM events WHERE job_id = ?", job)}
    assert set(told) <= kinds, kinds
    assert farm.video(job) == reference(home, seed=seed)
    until(farm.works, 90, "the worker's return")
