"""`farm render` as users run it: a real process with its own Ray."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
import torch

from farm.service.embedded import embedded_settings
from farm.settings import Settings
from tests.support.api import picture
from tests.support.ports import free_port, is_free

from .conftest import PATIENCE, Farm, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def command(tmp_path: Path, *arguments: str) -> list[str]:
    image = tmp_path / "start.png"
    image.write_bytes(picture())
    return [str(Path(sys.executable).with_name("farm")), "render", str(image), "-p", "The puppet waves", *arguments]


def project(folder: Path) -> Path:
    """A folder in which somebody works at a program whose packages are called as ours, and do harm when imported."""
    for name in ("farm", "model", "plugins", "presets", "dashboard"):
        (folder / "project" / name).mkdir(parents=True)
        (folder / "project" / name / "__init__.py").write_text(f"raise SystemExit('the {name} of somebody else')")
    return folder / "project"


def processes_with(text: str) -> list[str]:
    """Command lines of living processes that contain ``text``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found


@pytest.fixture
def user(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Environment of a user whose home and temporary folder are empty, but for a token of Ray's where that is asked."""
    with tempfile.TemporaryDirectory(prefix="user-", dir="/tmp") as folder:
        names = {"HOME": f"{folder}/home", "TMPDIR": f"{folder}/tmp", "FARM_HOME": str(tmp_path / "farm")}
        for name in ("HOME", "TMPDIR"):
            Path(names[name]).mkdir()
        if getattr(request, "param", False):
            (Path(names["HOME"]) / ".ray").mkdir()
            (Path(names["HOME"]) / ".ray" / "auth_token").write_text("a-token-of-the-users-own-" + "x" * 30)
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "XDG_"))}
        yield plain | names
        assert not processes_with(folder)


def assert_nothing_stays(user: dict[str, str], in_home: tuple[str, ...] = ()) -> None:
    """Nothing of the user's was touched, and nothing runs."""
    home, temporary = Path(user["HOME"]), Path(user["TMPDIR"])
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == list(in_home)
    assert not list(temporary.iterdir()) and not processes_with(str(temporary))


def begun_farm(user: dict[str, str]) -> Farm:
    """The store in which `farm render` of this user keeps its jobs."""
    (Path(user["FARM_HOME"]) / "embedded").mkdir(parents=True)
    return Farm(embedded_settings(Settings.for_home(Path(user["FARM_HOME"]))))


def in_second_section(farm: Farm, process: "subprocess.Popen[str]") -> None:
    """Wait until one section is kept and another one is in mid-work."""

    def there() -> bool:
        jobs, _ = farm.store.list_jobs()
        return bool(jobs) and "section-000" in farm.committed(jobs[0].id) and bool(farm.running(jobs[0].id))

    wait_for(lambda: there() or process.poll() is not None, "a second section in mid-work")


def run(environment: dict[str, str], *line: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(line, env=environment, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for left-over processes in /proc")
def test_ctrl_c_keeps_finished_sections_and_the_same_command_goes_on(
    tiny: Path, tmp_path: Path, user: dict[str, str], reference: Callable[..., dict[str, Any]]
):
    farm, out = begun_farm(user), tmp_path / "waves.mp4"
    fields = ["-s", "3.6", "--seed", "51", "--steps", "100", "--replicas", "1", "--set", "cache=none", "-o", str(out)]
    line, cwd = command(tmp_path, *fields), project(tmp_path)
    process = subprocess.Popen(
        line, env=user, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    in_second_section(farm, process)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: every process of the group gets it
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "of 3 sections are kept" in errors
    assert "starting Ray" in errors and "loading puppet on" in errors
    assert not out.exists()
    assert_nothing_stays(user)
    (job,), _ = farm.store.list_jobs()
    kept = farm.committed(job.id)
    assert kept["section-000"] == 1 and len(kept) < 8
    stopped = [a for a in farm.store.attempts(job.id) if a.state != "committed"]
    assert all(a.message for a in stopped) and (stopped or "section-001" in kept)  # it may just have ended

    again = run(user, *line, cwd=cwd)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == [str(out)]
    assert set(farm.committed(job.id).values()) == {1}
    found, expected = farm.latents(job.id), reference(seed=51, steps=100, total_second_length=3.6)
    assert len(expected) == 3 and all(torch.equal(found[name], expected[name]) for name in expected)
    with av.open(str(out)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 109
    assert json.loads(out.with_suffix(".json").read_text())["request"]["seed"] == 51
    assert sorted(path.name for path in tmp_path.glob("waves*")) == ["waves.contact.png", "waves.json", "waves.mp4"]
    assert_nothing_stays(user)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "missing/out.mp4"], "the folder missing does not exist"),
        (["-o", "."], "folder"),
        (["-o", "out.gif"], "writes .mp4 files"),
        (["-s", "0"], "total_second_length"),
        (["--order", "bisekt"], "Did you mean 'bisect'"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_rendered(
    tiny: Path, tmp_path: Path, farm_home: Path, arguments: list[str], message: str, capfd, monkeypatch
):
    from farm.cli import main

    monkeypatch.chdir(tmp_path)
    code = main(command(tmp_path, *arguments)[1:])
    lines = capfd.readouterr().err.splitlines()
    assert code == 2 and len(lines) == 1 and message in lines[0]
    assert not (farm_home / "embedded").exists()


@pytest.mark.parametrize("user", [True], indirect=True)
def test_it_goes_on_when_its_ray_dies(
    tiny: Path, tmp_path: Path, user: dict[str, str], reference: Callable[..., dict[str, Any]]
):
    farm, out = begun_farm(user), tmp_path / "waves.mp4"
    fields = ["-s", "3.6", "--seed", "52", "--steps", "40", "--replicas", "1", "--set", "cache=none", "-o", str(out)]
    process = subprocess.Popen(command(tmp_path, *fields), env=user, stderr=subprocess.PIPE, text=True)
    in_second_section(farm, process)
    (raylet,) = [p for p in psutil.Process(process.pid).children(recursive=True) if "raylet/raylet" in p.cmdline()[0]]
    raylet.kill()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and out.is_file(), errors
    (job,), _ = farm.store.list_jobs()
    assert set(farm.committed(job.id).values()) == {1}
    found, expected = farm.latents(job.id), reference(seed=52, steps=40, total_second_length=3.6)
    assert len(expected) == 3 and all(torch.equal(found[name], expected[name]) for name in expected)
    assert_nothing_stays(user, (".ray", ".ray/auth_token"))


@pytest.mark.parametrize(
    "user", [False, pytest.param(True, marks=pytest.mark.soak)], indirect=True, ids=["open", "with a token"]
)
def test_a_cluster_of_the_users_own_is_used_and_left_running(tiny: Path, tmp_path: Path, user: dict[str, str]):
    ray_user = user | ({"RAY_AUTH_MODE": "token"} if (Path(user["HOME"]) / ".ray").exists() else {})
    port, api = free_port(), free_port()
    head = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus", "2"]
    head += ["--node-ip-address", "127.0.0.1", "--port", str(port), "--include-dashboard", "false"]
    head += ["--temp-dir", f"{user['TMPDIR']}/ray"]
    log = tmp_path / "ray.log"
    with log.open("w") as output:
        ray = subprocess.Popen(head, env=ray_user, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(lambda: not is_free(port) or ray.poll() is not None, "ray start")
        farm = [sys.executable, "-m", "farm"]
        up = [*farm, "up", "--address", f"127.0.0.1:{port}", "--port", str(api), "--no-dashboard", "--replicas", "1"]
        started = run(ray_user, *up, "--json")
        assert started.returncode == 0, started.stderr + log.read_text()
        assert json.loads(started.stdout)["url"] == f"http://127.0.0.1:{api}"
        assert run(ray_user, *farm, "jobs", "--url", f"http://127.0.0.1:{api}").returncode == 0
        assert "stopped" in run(ray_user, *farm, "down").stdout
        assert ray.poll() is None, "the cluster is not ours to stop"
    finally:
        ray.terminate()
        ray.wait(60)
