"""Whole jobs of puppets whose latents stand for more pixels than those of the other families."""

import json
from pathlib import Path

import pytest
import torch

from farm.settings import Settings
from farm.work.reference import render_in_process
from model.footage.video import read_video
from model.puppet.build import detailed, grow, read
from tests.support.farms import Farm
from tests.support.machine import here
from tests.support.tiny import tiny_checkpoint


def rendered(farm: Farm, **fields: object) -> tuple[str, tuple[int, int]]:
    """A job that was rendered, and the size of its video."""
    job = farm.job(total_second_length=2.4, steps=2, quality_gate="warn", **fields)
    made = render_in_process(farm.store, farm.artifacts, job.id)
    assert made.state == "completed", made.error
    manifest = json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))
    return job.id, (manifest["video"]["width"], manifest["video"]["height"])


@pytest.fixture
def farm(farm_home: Path) -> Farm:
    return Farm(Settings.for_home(farm_home))


def test_a_puppet_of_128_pixels_renders_a_video_of_that_size(
    tmp_path: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch
):
    grow(read(tiny_checkpoint(tmp_path / "tiny"), here())).save(tmp_path / "large")
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "large"))
    assert rendered(farm)[1] == (128, 128)


def test_a_puppet_with_details_renders_both_sizes_from_as_many_latents(
    tmp_path: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch
):
    detailed(read(tiny_checkpoint(tmp_path / "tiny"), here()), 1).save(tmp_path / "detailed")
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "detailed"))
    large, size = rendered(farm)
    small, smaller = rendered(farm, resolution=64)
    assert (size, smaller) == ((128, 128), (64, 64))
    latents, others = farm.latents(large), farm.latents(small)
    assert {name: each.shape for name, each in latents.items()} == {name: each.shape for name, each in others.items()}
    assert all(torch.allclose(each, others[name], atol=0.2) for name, each in latents.items()), "the start is resized"
    monkeypatch.setenv("FARM_PUPPET_PATH", str(tmp_path / "tiny"))
    before, same = rendered(farm)
    assert same == (64, 64)
    assert all(torch.equal(each, others[name]) for name, each in farm.latents(before).items())
    videos = [farm.artifacts.read(farm.store.artifacts(job)["video"].key) for job in (before, small)]
    plain, without = ([frame.tobytes() for frame in read_video(video, 30)] for video in videos)
    assert plain == without, "pictures without details are those of a codec that has none"
