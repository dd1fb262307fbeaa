"""What the puppet is to keep: each kind of scene is rendered and judged, and the judge tells right from wrong."""

import pytest
import torch

from model.families import load
from model.family import SamplingParams
from model.puppet.kept import KINDS, KeptWork, _nearest, held_out_scene, judge_kept
from model.puppet.scenery import Camera, Picture, render_picture, views
from tests.support.machine import here


@pytest.fixture(scope="module")
def renderer():
    return load("puppet", here())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_scene_is_rendered_and_judged(renderer, kind):
    kept = judge_kept(renderer, KeptWork(kind, 0, 1.2, "vanilla", SamplingParams(steps=2)))
    assert kept.kind == kind and 0 < kept.codec < 0.1 and 0 < kept.error < 0.5 and kept.moved > 0


def test_held_out_scenes_are_stable_and_of_their_kind():
    assert held_out_scene("zoom", 3) == held_out_scene("zoom", 3) != held_out_scene("zoom", 4)
    asked, still = held_out_scene("asked", 1), held_out_scene("still", 1)
    assert isinstance(asked, Picture) and isinstance(still, Picture)
    assert asked.camera == still.camera == Camera()
    assert "camera" not in asked.prompt.lower()


def test_a_view_of_the_start_image_is_recognised_and_another_picture_is_not():
    picture = Picture(5, Camera("zoom", 0.25, 0.1))
    seconds = torch.tensor([0.0, 2.0, 5.0])
    frames = render_picture(picture, seconds, 64)
    assert _nearest(frames[1:], frames[:1]).abs().mean() < 0.02
    other = render_picture(Picture(6, Camera()), seconds[:1], 64)
    assert _nearest(other, frames[:1]).abs().mean() > 0.1


def test_the_view_of_a_whole_picture_is_the_picture():
    picture = torch.rand(3, 64, 64)
    assert torch.allclose(views(picture, torch.ones(1), torch.zeros(1))[0], picture, atol=1e-4)
