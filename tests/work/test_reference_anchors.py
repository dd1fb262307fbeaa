"""Jobs with anchors, rendered in this process: what reaches the model, what the finished video holds."""

from typing import Any

import av
import numpy as np
import pytest
import torch

from farm.intake.request import accept
from farm.jobs.records import Job
from farm.service.embedded import prepare_job
from farm.work.reference import render_in_process
from model.conditioning import prompt_key
from model.footage.media import Media
from model.footage.video import read_video
from tests.support.api import picture
from tests.support.clips import clip, flat

from .conftest import Farm


def render(farm: Farm, media: Media, **fields: Any) -> Job:
    """Three sections in one step, unless told otherwise."""
    fields = {"prompt": "The puppet waves", "total_second_length": 3.6, "steps": 1, "seed": 5} | fields
    accepted = accept(fields, media)
    job = prepare_job(farm.store, farm.artifacts, accepted, media)
    done = render_in_process(farm.store, farm.artifacts, job.id)
    assert done.state == "completed", done.error
    return done


def frames(farm: Farm, job: Job) -> np.ndarray:
    path = farm.artifacts.path(farm.store.artifacts(job.id)["video"].key)
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def changed(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[int]:
    return [i for i, name in enumerate(sorted(one)) if not one[name].equal(other[name])]


def test_end_image_and_its_strength_reach_every_section_that_sees_it(alone: Farm):
    media = Media(picture(), end_image=flat("red"))
    plain = alone.latents(render(alone, Media(picture())).id)
    ended = alone.latents(render(alone, media).id)
    weak = alone.latents(render(alone, media, end_image_strength=0.3).id)
    assert changed(plain, ended) == changed(ended, weak) == [0, 1, 2]


def test_a_changed_keyframe_changes_only_the_gaps_beside_it(alone: Farm):
    fields = {"total_second_length": 4.8, "keyframes": [1.2, 3.6], "order": "inverted"}
    one = render(alone, Media(picture(), keyframes=(flat("red"), flat("blue"))), **fields)
    other = render(alone, Media(picture(), keyframes=(flat("red"), flat("green"))), **fields)
    assert changed(alone.latents(one.id), alone.latents(other.id)) == [1, 2, 3]
    assert set(one.request.files) == {"image", "keyframe-1", "keyframe-2"}
    assert set(one.request.files) < set(alone.store.artifacts(one.id))


@pytest.mark.parametrize("output", ["joined", "extension"])
def test_a_video_goes_on_from_its_end(alone: Farm, output: str):
    job = render(alone, Media(video=clip(24)), total_second_length=1.2, extend_output=output)
    found = frames(alone, job)
    if output == "extension":
        assert len(found) == 36
        return
    assert len(found) == 24 + 36
    assert abs(float(np.median(found[20])) - 160) < 12  # the given frames come first, as they were


def test_a_video_gets_a_beginning(alone: Farm):
    job = render(alone, Media(picture(), video=clip(24)), total_second_length=1.2, extend="start")
    found = frames(alone, job)
    assert len(found) == 37 + 24
    assert abs(float(np.median(found[37 + 20])) - 160) < 12


@pytest.mark.parametrize("output", ["joined", "extension"])
def test_a_beginning_takes_the_colours_of_the_video_it_leads_to(alone: Farm, output: str):
    media, fields = Media(picture(), video=clip(24)), {"extend": "start", "extend_output": output}
    plain, held = (
        frames(alone, render(alone, media, total_second_length=2.4, consistency_boost=boost, **fields))[:36]
        for boost in (0, 1)
    )
    first = np.asarray(next(iter(read_video(clip(24), 30))), dtype=float).mean(axis=(0, 1))
    away = [abs(found.mean(axis=(0, 1, 2)) - first).mean() for found in (plain, held)]
    assert away[1] < away[0] / 2, away


def test_what_the_model_sees_of_a_video_is_encoded_in_one_piece(alone: Farm):
    job = render(alone, Media(video=clip(24)), total_second_length=1.2, num_cleaned_frames=3)
    conditioning = alone.artifacts.load_tensors(alone.store.artifacts(job.id)["conditioning"].key)
    assert conditioning["anchor.source_video"].shape == (16, 3, 8, 8)
    assert conditioning["start_latent"].shape == (16, 1, 8, 8)


def test_timed_prompts_are_encoded_once_each_and_blended(alone: Farm):
    fields = {"prompt": "The girl. [0s-1.2s: She waves.] [1.2s: She spins.]", "prompt_blend_sections": 1}
    job = render(alone, Media(picture()), **fields)
    conditioning = alone.artifacts.load_tensors(alone.store.artifacts(job.id)["conditioning"].key)
    keys = {name for name in conditioning if name.startswith("text.")}
    texts = ("The girl. She waves.", "The girl. She spins.")
    assert keys == {"text.negative", *(f"text.{prompt_key(text)}" for text in texts)}
    sharp = alone.latents(render(alone, Media(picture()), **fields | {"prompt_blend_sections": 0}).id)
    assert 1 in changed(alone.latents(job.id), sharp)
