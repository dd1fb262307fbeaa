"""The puppet world: pure in (puppet, time), still at the start, and told apart by its colours."""

import random

import pytest
import torch

from model.puppet.motions import MOTIONS
from model.puppet.prompts import MOTION_WORDS, TEMPO_WORDS, write_prompt
from model.puppet.world import FPS, REGIONS, phase, render, render_clip, sample_puppet


@pytest.fixture(params=list(MOTIONS))
def puppet(request):
    return sample_puppet(random.Random(7), request.param)


def test_frames_do_not_depend_on_what_else_is_drawn(puppet):
    clip = render_clip(puppet, 0, 40)
    assert torch.equal(render_clip(puppet, 25, 3), clip[25:28])


def test_the_start_image_does_not_give_the_motion_away():
    still = [render_clip(sample_puppet(random.Random(7), motion), 0, 1) for motion in MOTIONS]
    # equal seeds draw equal people; only the motion differs, and prompts draw from the generator last
    assert all((still[0] - other).abs().mean() < 0.01 for other in still[1:])


def test_every_motion_moves_and_never_ends(puppet):
    early, late = render_clip(puppet, 30, 60), render_clip(puppet, 30 * 600, 60)
    for clip in (early, late):
        assert clip.std(dim=0).max() > 0.02
        assert clip.min() >= 0 and clip.max() <= 1


def test_phase_starts_from_rest_and_always_advances(puppet):
    phases = phase(puppet, torch.arange(0, 20 * FPS) / FPS)
    assert phases[0] == 0
    assert (phases.diff() >= 0).all()
    assert phases[1] < phases[200:].diff().mean()


def test_any_resolution_shows_the_same_picture(puppet):
    small, large = (render(puppet, torch.tensor([2.0]), size) for size in (64, 256))
    shrunk = torch.nn.functional.interpolate(large, size=64, mode="area")
    assert (small - shrunk).abs().mean() < 0.01


def test_regions_hold_the_puppets_colours(puppet):
    picture, owner = render(puppet, torch.zeros(1), 64, with_regions=True)
    for index, name in enumerate(REGIONS):
        inside = picture[0][:, owner[0] == index]
        assert inside.shape[1] > 20
        wanted = torch.tensor(getattr(puppet, name))
        assert (inside.median(dim=1).values - wanted).abs().max() < 0.01


def test_prompts_name_subject_motion_and_tempo():
    rng = random.Random(1)
    for motion, words in MOTION_WORDS.items():
        for tempo in TEMPO_WORDS:
            prompt = write_prompt(motion, tempo, rng).lower()
            assert any(word.lower() in prompt for word in words)
