"""Whole jobs whose sections are compared with their start image, in this process."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from farm.jobs.names import growing_log_key
from farm.jobs.quality import measured_sections
from farm.jobs.records import Job
from farm.settings import Settings
from farm.work.executor import TaskExecutor
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.clips import clip
from tests.support.helios import helios_folder
from tests.support.released import released_folder

from .conftest import Farm
from .test_executor import begin, render_until

ASKED = {"total_second_length": 2.4, "steps": 1}


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the parts of the family framepack."""
    folder = released_folder(tmp_path / "parts")
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    return folder


def render(farm: Farm, job: Job, **settings: Any) -> Job:
    done = render_in_process(farm.store, farm.artifacts, job.id, settings=replace(farm.settings, **settings))
    assert done.state == "completed", done.error
    return done


def found(farm: Farm, job: Job) -> list[float | None]:
    """By section, as the API and the Job page have it; the manifest has it too, or nothing of that name."""
    measured = [each.identity for _, each in sorted(measured_sections(farm.store.attempts(job.id)).items())]
    manifest = json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))
    assert [section["quality"].get("identity") for section in manifest["sections"]] == measured
    return measured


def test_it_is_measured_where_it_is_asked_for_and_changes_no_pixel_and_no_key(alone: Farm, tmp_path: Path):
    other = Farm(Settings.for_home(tmp_path / "other"))
    plain, job = other.job(**ASKED), alone.job(**ASKED)
    render(other, plain)
    render(alone, job, identity=True)
    assert found(other, plain) == [None, None]
    values = found(alone, job)
    assert len(values) == 2 and all(value is not None and -1 <= value < 1 for value in values)
    made, again = alone.latents(job.id), other.latents(plain.id)
    assert made.keys() == again.keys() and all(torch.equal(part, again[name]) for name, part in made.items())
    one, two = alone.store.artifacts(job.id), other.store.artifacts(plain.id)
    for name in [name for name in one if name.startswith("frames")]:
        frames, same = alone.artifacts.load_tensors(one[name].key), other.artifacts.load_tensors(two[name].key)
        assert all(torch.equal(part, same[key]) for key, part in frames.items())
    assert one["video"].sha256 == two["video"].sha256
    keys = [[task.key for task in farm.store.tasks(each.id)] for farm, each in ((alone, job), (other, plain))]
    assert keys[0] == keys[1] and any(keys[0])


def test_a_video_that_goes_on_is_compared_with_the_frame_that_it_goes_on_from(alone: Farm):
    job = alone.job(Media(video=clip(40, 30)), **ASKED)
    render(alone, job, identity=True)
    assert None not in found(alone, job)


def test_without_anything_to_start_from_there_is_none(released: Path, farm_home: Path):
    farm = Farm(Settings.for_home(farm_home))
    job = farm.job(Media(), model_type="framepack", latent_type="green", **ASKED)
    render(farm, job, identity=True)
    assert found(farm, job) == [None, None]


def test_a_family_without_image_encoder_has_none(tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch):
    folder = helios_folder(tmp_path / "parts", "helios-distilled", buckets=[[64, 64]])
    monkeypatch.setenv("FARM_HELIOS_DISTILLED_PATH", str(folder))
    farm = Farm(Settings.for_home(farm_home))
    job = farm.job(model_type="helios-distilled", total_second_length=1, steps=2)
    render(farm, job, identity=True)
    assert found(farm, job) == [None]


def cut_short(folder: Path) -> None:
    file = next((folder / "image_encoder").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-100])


def gone(folder: Path) -> None:
    next((folder / "image_encoder").glob("*.safetensors")).unlink()


def no_numbers(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = next((folder / "image_encoder").glob("*.safetensors"))
    save_file({name: torch.full_like(weight, torch.nan) for name, weight in load_file(file).items()}, file)


@pytest.mark.parametrize("damage", [cut_short, gone, no_numbers])
def test_an_encoder_that_is_broken_costs_the_figure_alone(
    damage: Callable[[Path], None], released: Path, farm_home: Path
):
    """The model is in memory already when the file goes bad."""
    farm = Farm(Settings.for_home(farm_home))
    job = farm.job(model_type="framepack", **ASKED)
    render_until(farm, job, "decode-000")
    executor = TaskExecutor(farm.artifacts, settings=replace(farm.settings, identity=True))
    executor.renderer("framepack")
    spec = begin(farm, job, "decode-000")
    damage(released)
    executor.run(spec)
    quality = executor.take_facts()["quality"]
    assert "identity" not in quality and quality["sharpness"] > 0
    log = farm.artifacts.read(growing_log_key(spec.output_prefix)).decode()
    assert "the identity of decode-000 is not measured" in log
