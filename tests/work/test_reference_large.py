"""A whole job of a puppet whose latents stand for more pixels than those of the other families."""

import json
from pathlib import Path

import pytest

from farm.settings import Settings
from farm.work.reference import render_in_process
from model.puppet.build import grow, read
from tests.support.farms import Farm
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


def test_a_puppet_of_128_pixels_renders_a_video_of_that_size(
    tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch
):
    grow(read(tiny_checkpoint(tmp_path / "tiny"), here())).save(tmp_path / "large")
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "large"))
    farm = Farm(Settings.for_home(farm_home))
    job = farm.job(total_second_length=2.4, steps=2, quality_gate="warn")
    made = render_in_process(farm.store, farm.artifacts, job.id)
    assert made.state == "completed", made.error
    manifest = json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))
    assert (manifest["video"]["width"], manifest["video"]["height"]) == (128, 128)
