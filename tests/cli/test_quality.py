"""`farm quality`, of files and of jobs."""

import json
from dataclasses import replace
from pathlib import Path

from farm.cli.quality import _bars
from farm.work.reference import render_in_process
from model.quality.calibration import true_clip
from model.quality.faults import plant
from tests.cli.test_jobs import image, job
from tests.support.api import LiveFarm
from tests.support.clips import encoded

__all__ = ["image", "job"]


def test_file_is_measured_and_what_is_wrong_is_said(run, tmp_path: Path):
    clip = plant("tint", true_clip(2)[:4], 2, [])
    file = tmp_path / "clip.mp4"
    file.write_bytes(encoded([frame.numpy() for piece in clip for frame in piece]))
    done = run("quality", str(file))
    assert done.code == 0 and "section 2: its colours have shifted" in done.out and "tint" in done.out
    assert "identity" not in done.out
    found = json.loads(run("quality", str(file), "--json").out)
    assert [each["section"] for each in found["sections"] if "tint" in each["wrong"]] == [2, 3]
    file.write_bytes(b"no video")
    assert run("quality", str(file)).code != 0


def test_job_of_which_nothing_is_decoded_says_so(run, job: str):
    assert "nothing of" in run("quality", job).err


def test_identity_of_a_job_has_a_line_and_no_limit(run, farm: LiveFarm, job: str):
    settings = replace(farm.settings, identity=True)
    assert render_in_process(farm.store, farm.artifacts, job, settings=settings).state == "completed"
    done = run("quality", job)
    (line,) = [line for line in done.out.splitlines() if line.split()[:1] == ["identity"]]
    assert done.code == 0 and "none" in line and ", identity " in done.out
    values = [each["identity"] for each in json.loads(run("quality", job, "--json").out)["sections"]]
    assert f"{min(values):.3g}" in line
    assert _bars([-0.5, 0.5, 1.0]) == " ▄█" and _bars([-1.0]) == " "


def test_bench_prints_its_bars(run, tmp_path: Path):
    done = run("bench", "quality", "--clips", "1", "--json", str(tmp_path / "q.json"))
    assert done.code == 0 and ">= 95%" in done.out
    assert json.loads((tmp_path / "q.json").read_text())["named"] > 0.5
