"""Commands for what a job has made, over a real server."""

import os
from pathlib import Path

import numpy as np
import pytest

from farm.jobs.names import attempt_folder, growing_log_key, log_key
from farm.jobs.records import FailureKind
from farm.work.clips import clip_of
from tests.cli.test_jobs import image, job
from tests.support.api import LiveFarm

__all__ = ["image", "job"]


def attempt_at(farm: LiveFarm, job_id: str, name: str, text: str = "", fails: str = "") -> str:
    """Try a task; with a log if there is one."""
    attempt = farm.store.start_attempt(f"{job_id}.{name}", "studio-cpu-0").id
    if text:
        farm.artifacts.write(log_key(job_id, attempt), text.encode())
    if fails:
        farm.store.fail_attempt(attempt, FailureKind.TASK, fails)
    else:
        farm.store.commit_attempt(attempt, [])
    return attempt


def test_logs_of_each_attempt_are_printed_in_order(run, farm: LiveFarm, job: str):
    assert "nothing has been tried yet" in run("logs", job).err
    attempt_at(farm, job, "encode", "encoding\n")
    attempt_at(farm, job, "section-000", "1 of 1\nTraceback\nValueError: odd\n", fails="ValueError: odd")
    attempt_at(farm, job, "section-000", "1 of 1\nmade latents\n")
    out = run("logs", job).out
    assert out.splitlines() == [
        "== encode, attempt 1 on studio-cpu-0: committed ==",
        "encoding",
        "== section-000, attempt 1 on studio-cpu-0: failed ==",
        "1 of 1",
        "Traceback",
        "ValueError: odd",
        "== section-000, attempt 2 on studio-cpu-0: committed ==",
        "1 of 1",
        "made latents",
    ]
    last = run("logs", job[:8], "--section", "0", "--tail", "1").out
    assert "encoding" not in last and "ValueError: odd" in last and "1 of 1" not in last
    assert "no log of section 1" in run("logs", job, "--section", "1").err


def test_logs_are_followed_to_the_jobs_end_without_repeating_lines(
    run, farm: LiveFarm, job: str, monkeypatch: pytest.MonkeyPatch
):
    attempt = farm.store.start_attempt(f"{job}.encode", "studio-cpu-0").id
    growing = growing_log_key(attempt_folder(job, attempt))
    farm.artifacts.write(growing, b"one\n")

    def later(seconds: float) -> None:
        if farm.store.get_job(job).state == "running":
            farm.artifacts.write(growing, b"one\ntwo\n")
            farm.store.cancel_job(job)
        elif farm.artifacts.exists(growing):
            farm.artifacts.write(log_key(job, attempt), b"one\ntwo\nstopped\n")
            farm.artifacts.remove_prefix(growing)

    monkeypatch.setattr("farm.cli.results.time.sleep", later)
    lines = run("logs", job, "--follow").out.splitlines()
    assert lines == ["== encode, attempt 1 on studio-cpu-0: running ==", "one", "two", "stopped"]


def test_fetch_partial_gives_what_there_is_as_a_video(run, farm: LiveFarm, job: str, tmp_path: Path):
    target = tmp_path / "part.mp4"
    assert "no decoded section yet" in run("fetch", job, "--partial", "-o", target).err
    clip = farm.artifacts.write(
        f"jobs/{job}/c.mp4", clip_of(np.zeros((3, 64, 64, 3), np.uint8), 30), name="clip-000", media_type="video/mp4"
    )
    farm.store.commit_attempt(farm.store.start_attempt(f"{job}.encode", "r").id, [clip])
    assert run("fetch", job, "--partial", "-o", target).out.strip() == str(target)
    assert target.read_bytes()[4:8] == b"ftyp"
    assert run("fetch", job, "--partial", "--what", "image").code == 2


def test_open_leads_to_a_jobs_page(run, farm: LiveFarm, job: str):
    from farm.service.state import ServiceState, supervising, write_state

    write_state(farm.settings, ServiceState("ready", os.getpid(), farm.url, "http://127.0.0.1:8501"))
    with supervising(farm.settings):  # as its supervisor does
        outcome = run("open", job[:8], "--print")
    assert outcome.code == 0, outcome.err
    link = outcome.out.strip()
    assert link.startswith("http://127.0.0.1:8501/login?key=") and link.endswith(f"&next=%2Fjob%3Fid%3D{job}")
