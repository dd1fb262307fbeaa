"""The whole way: farm up, submit, watch, fetch, down; as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.support.api import picture
from tests.support.tiny import tiny_checkpoint

pytestmark = pytest.mark.ray


def test_a_video_through_a_running_farm(farm_home: Path, tmp_path: Path, unused_port: int):
    (tmp_path / "start.png").write_bytes(picture())
    environ = {**os.environ, "FARM_PUPPET_PATH": str(tiny_checkpoint(tmp_path / "tiny"))}

    def farm(*args: object, code: int = 0) -> str:
        command = [sys.executable, "-m", "farm", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environ, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert code == 0 or (len(done.stderr.splitlines()) == 1 and done.stdout == "")
        return done.stdout if code == 0 else done.stderr

    assert "no farm was running" in farm("down")
    started = json.loads(farm("up", "--port", unused_port, "--replicas", 1, "--no-dashboard", "--json"))
    try:
        assert started["url"] == f"http://127.0.0.1:{unused_port}"
        assert "running already" in farm("up", "--port", unused_port, code=1)
        told = farm("submit", "start.png", "-p", "The puppet waves", "-s", 2.4, "--set", "steps=1", "--watch")
        job_id = told.split()[0]
        assert "completed, 2 of 2 sections" in told
        assert "wave" in farm("jobs", "--state", "completed")
        assert farm("fetch", job_id[:6], "-o", "out.mp4").strip() == "out.mp4"
        with av.open(str(tmp_path / "out.mp4")) as video:
            assert sum(1 for _ in video.decode(video=0)) == 73
    finally:
        assert "stopped" in farm("down")
    assert "no farm answers" in farm("jobs", "--url", started["url"], code=1)
