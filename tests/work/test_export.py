"""From decoded chunks to the file: seams, tiling, frame rates, what the manifest says; whole jobs in this process."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from farm.errors import InputError
from farm.jobs.records import Job
from farm.work.reference import render_in_process
from model.families import load
from model.pixels import joined, to_bytes
from tests.support.machine import here
from tests.support.released import released_folder

from .conftest import Farm


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both released families on one small checkpoint."""
    path = str(released_folder(tmp_path / "parts", tile_above=64 * 80, resolutions=[32]))
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", path)
    monkeypatch.setenv("FARM_FRAMEPACK_F1_PATH", path)


def render(farm: Farm, **fields: Any) -> Job:
    job = farm.job(**{"total_second_length": 2.4, "steps": 1} | fields)
    done = render_in_process(farm.store, farm.artifacts, job.id)
    assert done.state == "completed", done.error
    return done


def manifest(farm: Farm, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(farm.artifacts.read(farm.store.artifacts(job.id)["manifest"].key))
    return found


def frames(farm: Farm, job: Job) -> list[np.ndarray]:
    with av.open(str(farm.artifacts.path(farm.store.artifacts(job.id)["video"].key))) as video:
        found = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert video.streams.video[0].frames == len(found)
        assert video.streams.video[0].average_rate == manifest(farm, job)["video"]["fps"]
    return found


def chunks(farm: Farm, job: Job) -> list[dict[str, torch.Tensor]]:
    files = farm.store.artifacts(job.id)
    return [farm.artifacts.load_tensors(files[name].key) for name in sorted(files) if name.startswith("frames-")]


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize("family", ["framepack", "framepack-f1"])
def test_seams_of_the_released_families_are_the_references(alone: Farm, family: str):
    """The two sections' 18 latents are decoded together in both programs, and blended with the other decode."""
    job = render(alone, model_type=family, order=None, vae_tiling="off")
    found = alone.latents(job.id)
    start = alone.artifacts.load_tensors(alone.store.artifacts(job.id)["conditioning"].key)["start_latent"]
    first, second = found["latents-000"], found["latents-001"]
    renderer = load(family, here())
    if family == "framepack":
        history = renderer.decode(torch.cat([start, first, second], dim=1))
        current = renderer.decode(second)
    else:
        history = renderer.decode(torch.cat([start, first], dim=1))
        current = renderer.decode(torch.cat([first, second], dim=1))
    weights = torch.linspace(1, 0, 33)[:, None, None, None]
    blended = weights * history[-33:] + (1 - weights) * current[:33]
    expected = to_bytes(torch.cat([history[:-33], blended, current[33:]]))
    assert len(expected) == 73
    assert torch.cat(list(joined(chunks(alone, job)))).equal(expected)
    assert len(frames(alone, job)) == 73


@pytest.mark.usefixtures("released")
def test_tiling_is_a_function_of_the_request_and_is_recorded(alone: Farm):
    common = {"model_type": "framepack", "order": None, "resolution": 32}
    for wish, recorded in (("auto", "off"), ("on", "on")):
        job = render(alone, **common, vae_tiling=wish)
        assert [section["vae_tiling"] for section in manifest(alone, job)["sections"]] == [recorded] * 2
        assert frames(alone, job)[0].shape == (32, 32, 3)
    with pytest.raises(InputError, match="resolution 48: model 'framepack' has 32, 64"):
        alone.job(model_type="framepack", order=None, resolution=48)


@pytest.mark.usefixtures("released")
def test_a_tiled_decode_leaves_no_trace_on_the_next_one():
    renderer = load("framepack", here())
    latents = torch.randn(renderer.info.latent_channels, 1, 34, 34, generator=torch.Generator().manual_seed(1))
    whole, tiled, again = (renderer.decode(latents, wish) for wish in (False, True, False))
    assert whole.shape == tiled.shape == (1, 272, 272, 3)
    assert again.equal(whole) and not tiled.equal(whole)


def test_tiles_where_the_codec_has_none_are_refused_at_the_door(alone: Farm):
    with pytest.raises(InputError, match=r"vae_tiling is 'on'.*auto or off"):
        alone.job(vae_tiling="on")
    with pytest.raises(InputError, match="resolution 128: model 'puppet' has 64"):
        alone.job(resolution=128)


@pytest.mark.parametrize(
    ("rate", "interpolation", "count"), [(24, "repeat", 58), (60, "motion", 146), (30, "motion", 73)]
)
def test_frame_rate_of_the_file_is_independent_of_the_models(alone: Farm, rate: int, interpolation: str, count: int):
    job = render(alone, output_fps=rate, frame_interpolation=interpolation)
    assert len(frames(alone, job)) == count
    video = manifest(alone, job)["video"]
    assert (video["fps"], video["frames"]) == (rate, count)
    assert (video["generated_fps"], video["generated_frames"]) == (30, 73)
    assert video["frame_interpolation"] == (None if rate == 30 else interpolation)
    assert abs(video["seconds"] - 73 / 30) <= 0.5 / rate


def test_exact_length_keeps_the_start_image_and_cuts_the_end(alone: Farm):
    job = render(alone, total_second_length=2.0, exact_length=True, mp4_crf=1)
    whole = torch.cat(list(joined(chunks(alone, job)))).numpy()
    shown = frames(alone, job)
    assert (len(shown), len(whole)) == (60, 73)
    error = {shift: np.abs(whole[shift : shift + 60].astype(int) - shown).mean() for shift in range(14)}
    assert min(error, key=error.__getitem__) == 0


def test_consistency_boost_changes_the_file_and_nothing_before_it(alone: Farm):
    plain, boosted = render(alone), render(alone, consistency_boost=1.0)
    for one, other in zip(chunks(alone, plain), chunks(alone, boosted), strict=True):
        assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
    assert not np.array_equal(frames(alone, plain)[-1], frames(alone, boosted)[-1])


def test_motion_bias_is_part_of_a_section_and_of_nothing_else(alone: Farm):
    plain, biased = render(alone), render(alone, motion_bias=1.0)
    assert plain.plan_digest == biased.plan_digest
    assert not any(alone.latents(plain.id)[name].equal(latents) for name, latents in alone.latents(biased.id).items())
