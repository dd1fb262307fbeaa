"""Whole jobs of Helios on a small checkpoint, in this process."""

import json
from pathlib import Path

import pytest

from farm.jobs.records import Job
from farm.settings import Settings
from farm.work.reference import render_in_process
from model.footage.media import Media
from tests.support.api import picture
from tests.support.clips import clip
from tests.support.helios import helios_folder

from .conftest import Farm


@pytest.fixture
def farm(tmp_path: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    folder = helios_folder(tmp_path / "parts", "helios-distilled", buckets=[[64, 64]])
    monkeypatch.setenv("FARM_HELIOS_DISTILLED_PATH", str(folder))
    return Farm(Settings.for_home(farm_home))


def render(farm: Farm, media: Media, **fields: object) -> tuple[Job, dict[str, object]]:
    asked = {"prompt": "A cat dances.", "total_second_length": 2.75, "seed": 5, **fields}
    job = farm.accept(media, model_type="helios-distilled", **asked)
    job = render_in_process(farm.store, farm.artifacts, job.id)
    assert job.state == "completed", job.error
    return job, json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))


def test_video_of_a_text_alone(farm: Farm) -> None:
    """Two sections of 33 frames at 24 a second; the first takes twice the steps."""
    _, manifest = render(farm, Media())
    assert manifest["video"]["frames"] == 66 and manifest["video"]["fps"] == 24
    assert (manifest["request"]["steps"], manifest["request"]["cfg"]) == (2, 1.0)
    assert [section["steps_computed"] for section in manifest["sections"]] == [{"positive": 12}, {"positive": 6}]


def test_video_of_a_picture_leaves_it_out(farm: Farm) -> None:
    """It stands in the history."""
    job, manifest = render(farm, Media(picture()), total_second_length=1)
    assert manifest["video"]["frames"] == 33
    made = farm.artifacts.load_tensors(farm.store.artifacts(job.id)["conditioning"].key)
    assert made["start_latent"].shape == made["anchor.image"].shape == (16, 1, 8, 8)


def test_a_video_goes_on(farm: Farm) -> None:
    """Its last whole 33 frames are seen, and the file holds all of it before the new ones."""
    media = Media(video=clip(40, 24))
    _, manifest = render(farm, media, total_second_length=1)
    assert manifest["video"]["frames"] == 40 + 33


def test_sections_are_judged_beside_the_first_frame_of_all(farm: Farm) -> None:
    _, manifest = render(farm, Media(), quality_gate="warn")
    first, second = (section["gate"]["values"] for section in manifest["sections"])
    assert "tint" not in first and {"tint", "look", "blur", "noise"} <= second.keys() and second["seam"] > 0
