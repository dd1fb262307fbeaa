"""docs/api.md: its examples are run, as they stand, against a farm that renders."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.errors import FarmError
from farm.jobs.records import JobState
from farm.work.reference import render_in_process
from tests.support.api import LiveFarm, live_farm
from tests.support.farms import tiny

__all__ = ["tiny"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def rendering(tiny: Path, tmp_path: Path) -> Iterator[LiveFarm]:
    with live_farm(tmp_path / "home") as farm:
        stop = threading.Event()
        worker = threading.Thread(target=render_all, args=(farm, stop))
        worker.start()
        yield farm
        stop.set()
        worker.join()


def render_all(farm: LiveFarm, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        for job in farm.store.list_jobs(state=JobState.PENDING)[0]:
            try:
                render_in_process(farm.store, farm.artifacts, job.id)
            except FarmError:
                continue


def run(farm: LiveFarm, command: list[str], code: str, folder: Path) -> str:
    """What an example prints; fails when it does."""
    (folder / "examples").symlink_to(ROOT / "examples")
    environment = {**os.environ, "FARM_URL": farm.url, "FARM_TOKEN": farm.token, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, code], env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


def test_commands_work_as_they_stand(rendering: LiveFarm, tmp_path: Path) -> None:
    out = run(rendering, ["bash", "-euo", "pipefail", "-c"], blocks("sh"), tmp_path)
    assert '"type": "NotFoundError"' in out and "event: end" in out and "\nWave\n" in out
    assert b"ftyp" in (tmp_path / "walk.mp4").read_bytes()[:16]
    takes = [job for job in rendering.store.list_jobs()[0] if job.parent]
    assert len(takes) == 2, "a take, and a job that exports"


def test_the_client_works_as_it_stands(rendering: LiveFarm, tmp_path: Path) -> None:
    out = run(rendering, [sys.executable, "-c"], blocks("python"), tmp_path)
    assert "end 1.0" in out and "wave.mp4" in out
    assert "steps is 1000; it should be less than or equal to 100" in out
    assert b"ftyp" in (tmp_path / "wave.mp4").read_bytes()[:16]


def test_every_route_that_it_names_exists(rendering: LiveFarm) -> None:
    known = {re.sub(r"\{[^}]*\}", "*", path) for path in rendering.app.openapi()["paths"]}
    named = re.findall(r"\$FARM_URL(/api/v1/[\w/$.-]+)", PAGE)
    assert (
        named
        and {re.sub(r"\$job|none", "*", path).replace("artifacts/video", "artifacts/*") for path in named} <= known
    )
