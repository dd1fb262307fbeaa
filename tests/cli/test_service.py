"""The whole way as a user types it, on a head in the foreground with a token of its own, as containers have it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from farm.service import launch
from farm.service.state import READY, is_running, last_state
from farm.settings import Settings
from tests.support.api import picture
from tests.support.farms import wait_for

GIVEN = "a-token-of-the-cluster-1234"


@pytest.fixture
def farm(settings: Settings, checkpoint: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a command; what it printed, or its one line of error where it is to fail."""

    def call(*words: object, code: int = 0) -> str:
        command = [sys.executable, "-m", "farm", *map(str, words)]
        environment = {**os.environ, "FARM_PUPPET_PATH": str(checkpoint)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert code == 0 or (len(done.stderr.splitlines()) == 1 and done.stdout == "")
        return done.stdout if code == 0 else done.stderr

    return call


@pytest.fixture
def head(settings: Settings, checkpoint: Path, tmp_path: Path, unused_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A farm in the foreground, which is ready."""
    words = ["up", "--stay", "--no-dashboard", "--replicas", "1", "--port", str(unused_port)]
    environment = {**os.environ, "FARM_NODE_TOKEN": GIVEN, "FARM_PUPPET_PATH": str(checkpoint)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "farm", *words], env=environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: (state := last_state(settings)) is not None and state.state == READY, "the farm is ready")
        yield process
    finally:
        process.kill()
        process.wait()
        launch.stop(settings)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_video_through_a_farm_in_the_foreground_that_ends_on_sigterm(
    farm: Callable[..., str], head: subprocess.Popen[bytes], settings: Settings, tmp_path: Path, unused_port: int
) -> None:
    assert settings.node_token_path.read_text().strip() == GIVEN
    assert "running already" in farm("up", "--port", unused_port, code=1)
    (tmp_path / "start.png").write_bytes(picture())
    told = farm("submit", "start.png", "-p", "The puppet waves", "-s", 2.4, "--set", "steps=1", "--watch")
    assert "completed, 2 of 2 sections" in told
    assert "wave" in farm("jobs", "--state", "completed")
    assert farm("fetch", told.split()[0][:6], "-o", "out.mp4").strip() == "out.mp4"
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 73
    head.send_signal(signal.SIGTERM)
    assert head.wait(60) == 0
    assert not is_running(settings)
    assert "no farm was running" in farm("down")
    assert "no farm answers" in farm("jobs", "--url", f"http://127.0.0.1:{unused_port}", code=1)


@pytest.mark.parametrize(("words", "told"), [
    (["--autoscale", "0:8"], "--autoscale needs --address"),
    (["--autoscale", "8", "--address", "127.0.0.1:1"], "expected MIN:MAX"),
])  # fmt: skip
def test_what_can_not_be_scaled_is_said(words: list[str], told: str, farm_home: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "farm", "up", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert not farm_home.exists()
