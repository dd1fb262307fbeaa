"""A machine that joins a farm, renders, leaves in order and comes back. They have no folder in common."""

from pathlib import Path

import pytest

from tests.hosts.conftest import HostsFarm, reference, until
from tests.support.stores import files

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


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


def test_a_joined_machine_renders_leaves_in_order_and_comes_back(
    farm: HostsFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)  # these machines have the bundled model
    joined = farm.join()
    assert "as on the head" in joined.stdout and f"as {farm.worker.name}" in joined.stdout
    until(farm.works, 120, "the replica")
    job = farm.submit()
    until(farm.renders, 60, "a section on the worker")
    farm.worker.farm("leave")
    until(lambda: farm.nodes()[farm.worker.name]["state"] in ("drained", "gone"), 15, "the end of the drain")
    farm.join()
    farm.finish(job)
    assert {states[-1] for states in farm.attempts(job).values()} == {"committed"}
    assert all(len(states) == 1 for states in farm.attempts(job).values()), "leaving in order interrupts nothing"
    assert farm.video(job) == reference(tmp_path / "alone")
    assert len(files(farm.worker.home / "cache" / "artifacts")) > 5, "the head's files, by HTTP"
    assert not files(farm.worker.home / "artifacts") and not (farm.head.home / "cache").exists()
    scratch = [path for path in (farm.worker.folder / "tmp").iterdir() if path.name.startswith("farm-")]
    assert len(scratch) == 1, "that of the present Ray"


def test_a_machine_that_is_told_to_end_hands_its_section_back(farm: HostsFarm) -> None:
    until(farm.works, 120, "the replica")
    job = farm.submit(seed=8)
    until(farm.renders, 60, "a section on the worker")
    farm.worker.farm("leave", "--now")
    farm.finish(job)
    states = [state for attempt in farm.attempts(job).values() for state in attempt]
    assert set(states) <= {"committed", "interrupted", "cancelled"} and states.count("committed") == 6
