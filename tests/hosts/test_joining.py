"""Machines that join a farm, go away in every way there is, and come back."""

import signal
import time

import pytest

from tests.hosts.conftest import PICTURE, VIDEO, HostsFarm, until
from tests.support.hosts import Host

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


def reference(host: Host, *options: str) -> bytes:
    """The video as one process renders it."""
    target = host.folder / "reference.mp4"
    home = {"FARM_HOME": str(host.folder / "alone"), "FARM_ARTIFACTS_URL": ""}
    host.farm("render", str(PICTURE), *VIDEO, *options, "--replicas", "1", "--out", str(target), environment=home)
    return target.read_bytes()


def test_a_machine_that_may_not_join_is_told_why(farm: HostsFarm) -> None:
    wrong = farm.worker.farm("join", farm.head.address, "--token", "wrong", check=False)
    assert wrong.returncode and "farm token --node" in wrong.stdout + wrong.stderr
    user = farm.head.farm("token").stdout.strip()
    assert farm.worker.farm("join", farm.head.address, "--token", user, check=False).returncode
    nobody = farm.worker.farm("join", f"{farm.worker.address}:9", "--token", "x", check=False)
    assert "does not answer" in nobody.stdout and "can't join: head" in nobody.stderr
    listener = farm.worker.start("python3", "-m", "http.server", "6400")
    try:
        until(lambda: not farm.worker.run("bash", "-c", "</dev/tcp/127.0.0.1/6400", check=False).returncode, 20, "it")
        taken = farm.join(check=False)
        assert taken.returncode and "6400 (Address already in use)" in taken.stdout and "--ray-port" in taken.stdout
    finally:
        listener.kill()
        farm.worker.kill("http.server")
    assert farm.worker.farm("leave", check=False).returncode == 4 or not farm.nodes().get(farm.worker.name)


def test_a_joined_machine_renders_leaves_in_order_and_comes_back(farm: HostsFarm) -> None:
    joined = farm.join()
    assert "as on the head" in joined.stdout and f"as {farm.worker.name}" in joined.stdout
    until(farm.works, 60, "the replica")
    job = farm.submit()
    until(farm.renders, 60, "a section on the worker")
    farm.worker.farm("leave")
    assert farm.nodes()[farm.worker.name]["state"] in ("drained", "gone")
    farm.join()
    farm.finish(job)
    assert {states[-1] for states in farm.attempts(job).values()} == {"committed"}
    assert all(len(states) == 1 for states in farm.attempts(job).values()), "leaving in order interrupts nothing"
    assert farm.video(job) == reference(farm.head)
    scratch = [path for path in (farm.worker.folder / "tmp").iterdir() if path.name.startswith("farm-")]
    assert len(scratch) == 1, "that of the present Ray"


def test_a_machine_that_is_told_to_end_hands_its_section_back(farm: HostsFarm) -> None:
    until(farm.works, 60, "the replica")
    job = farm.submit("--set", "seed=8")
    until(farm.renders, 60, "a section on the worker")
    farm.worker.farm("leave", "--now")
    farm.finish(job)
    states = [state for attempt in farm.attempts(job).values() for state in attempt]
    assert set(states) <= {"committed", "interrupted", "cancelled"} and states.count("committed") == 10


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [5, 20, 60])
def test_a_cut_line_costs_a_section_and_mends_itself(farm: HostsFarm, seconds: int) -> None:
    job = _at_work(farm, 100 + seconds)
    farm.worker.cut()
    try:
        if seconds >= 20:
            until(lambda: not farm.replica(), 20, "notice of the cut line")
        time.sleep(seconds if seconds < 20 else max(0, seconds - 15))
    finally:
        farm.worker.mend()
    until(farm.works, 90, "the worker's return")
    _whole(farm, job)


@pytest.mark.soak
def test_a_killed_machine_is_noticed_and_its_section_done_elsewhere(farm: HostsFarm) -> None:
    job = _at_work(farm, 200)
    farm.worker.kill()
    until(lambda: not farm.replica(), 20, "notice of the dead machine")
    farm.join()
    _whole(farm, job)


@pytest.mark.soak
def test_a_killed_head_finds_its_machines_again(farm: HostsFarm) -> None:
    job = _at_work(farm, 300)
    farm.head.kill()
    farm.head.farm("up", "--host", "0.0.0.0", "--no-dashboard")
    until(farm.works, 60, "the worker's return")
    _whole(farm, job)


@pytest.mark.soak
def test_a_frozen_replica_is_replaced(farm: HostsFarm) -> None:
    job = _at_work(farm, 400)
    frozen = farm.worker.kill("Replica", signal.SIGSTOP)
    assert frozen
    _whole(farm, job)


def _at_work(farm: HostsFarm, seed: int) -> str:
    """A job of which the worker renders a section now."""
    _there(farm)
    job = farm.submit("--set", f"seed={seed}")
    until(farm.renders, 60, "a section on the worker")
    return job


def _there(farm: HostsFarm) -> None:
    """Have the worker in the farm, whatever the test before did."""
    if not farm.works():
        if farm.worker.farm("join", farm.head.address, "--cores", "1", check=False).returncode:
            farm.worker.farm("leave", "--now", check=False)
            farm.join()
        until(farm.works, 90, "the replica")


def _whole(farm: HostsFarm, job: str) -> None:
    """The job completes, and every section was rendered to its end once."""
    farm.finish(job)
    for name, states in farm.attempts(job).items():
        assert states.count("committed") == 1 and len(states) <= 2, (name, states)
