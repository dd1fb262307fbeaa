"""Pictures of anything, and the camera before them."""

import random

import pytest
import torch

from model.puppet.prompts import CAMERA_WORDS
from model.puppet.scenery import Camera, Picture, paint, render_picture, sample_picture
from model.puppet.world import render_clip, sample_scene, sample_staged


@pytest.mark.parametrize("seed", range(8))
def test_any_resolution_shows_the_same_picture(seed):
    small, large = paint(seed, 64), paint(seed, 128)
    assert small.shape == (3, 64, 64) and small.min() >= 0 and small.max() <= 1
    shrunk = torch.nn.functional.avg_pool2d(large[None], 2)[0]
    assert (small - shrunk).abs().mean() < 0.02


@pytest.mark.parametrize("kind", ["zoom", "pan"])
def test_a_camera_starts_at_the_whole_picture_and_never_leaves_it(kind):
    camera = Camera(kind, 0.3, 0.1)
    larger, middle = camera.view(torch.arange(0, 60, 0.1))
    assert larger[0] == 1 and middle[0] == 0
    assert larger.min() >= 1 and larger.max() > 1.2
    assert (middle.abs() + 1 / (2 * larger) <= 0.5 + 1e-6).all()
    assert (middle.abs().max() > 0.05) == (kind == "pan")


def test_a_still_picture_stays_and_another_moves():
    seconds = torch.tensor([0.0, 3.0, 40.0])
    still = render_picture(Picture(3, Camera()), seconds, 64)
    assert torch.equal(still[0], still[2])
    moved = render_picture(Picture(3, Camera("zoom", 0.3, 0.1)), seconds, 64)
    assert torch.allclose(moved[0], still[0], atol=1e-4)
    assert not torch.allclose(moved[1], still[1], atol=1e-2)


def test_prompts_name_what_the_camera_does():
    rng = random.Random(2)
    for _ in range(30):
        picture = sample_picture(rng)
        words = [word.lower() for word in CAMERA_WORDS[picture.camera.kind]]
        assert picture.prompt.lower().rstrip(".") in words


def test_a_staged_puppet_stands_whole_in_the_picture_and_starts_at_rest():
    rng = random.Random(4)
    for _ in range(10):
        puppet = sample_staged(rng)
        first, later = render_clip(puppet, 0, 1, 64), render_clip(puppet, 45, 1, 64)
        assert first.min() >= 0 and first.max() <= 1
        changed = (first - later).abs().amax(dim=(0, 1)) > 0.2
        assert changed.sum() < 0.6 * changed.numel()


def test_scenes_are_plain_puppets_staged_ones_and_pictures():
    rng = random.Random(5)
    kinds = [sample_scene(rng, 0.5) for _ in range(200)]
    pictures = [scene for scene in kinds if isinstance(scene, Picture)]
    puppets = [scene for scene in kinds if not isinstance(scene, Picture)]
    assert 25 < len(pictures) < 80
    assert 60 < sum(puppet.scale == 1 for puppet in puppets) < 140
    asked = {scene.prompt for scene in pictures if scene.camera.kind == "still"}
    assert any("camera" not in prompt.lower() for prompt in asked)  # a figure's motion, before a picture without one
