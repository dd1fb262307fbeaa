"""The quality measures: true clips score perfectly, and each defect lowers its own measure."""

import random

import numpy as np
import pytest
import torch

from model.puppet.classifier import LOOKS, train_classifier, true_clips
from model.puppet.motions import MOTIONS
from model.puppet.quality import edges, held_out_puppet, identity_error, score, sharpness
from model.puppet.world import render_clip, sample_puppet


@pytest.mark.parametrize("motion", list(MOTIONS))
def test_true_frames_have_no_identity_error(motion):
    puppet = sample_puppet(random.Random(2), motion)
    assert identity_error(puppet, render_clip(puppet, 120, 30)) < 0.02


def test_a_changed_shirt_and_a_lost_person_are_seen():
    puppet = sample_puppet(random.Random(2), "dance")
    clip = render_clip(puppet, 120, 30)
    assert identity_error(puppet, (clip + 0.2).clamp(0, 1)) > 0.06
    empty = torch.tensor(puppet.background)[None, :, None, None].expand_as(clip)
    assert identity_error(puppet, empty) > 0.5


def test_blur_lowers_sharpness():
    clip = render_clip(sample_puppet(random.Random(2), "dance"), 120, 30)
    assert sharpness(torch.nn.functional.avg_pool2d(clip, 3, 1)) < 0.7 * sharpness(clip)


def test_blocks_are_seen_at_their_own_size_only():
    clip = render_clip(sample_puppet(random.Random(2), "dance"), 120, 8, 128)
    true = edges(clip, 16)
    assert true == pytest.approx(1, abs=0.25)
    coarse = torch.nn.functional.avg_pool2d(clip, 16).repeat_interleave(16, 2).repeat_interleave(16, 3)
    assert edges(0.8 * clip + 0.2 * coarse, 16) > 1.2 * true
    wide = torch.nn.functional.pad(clip, (1, 1, 1, 1), mode="replicate")
    assert edges(torch.nn.functional.avg_pool2d(wide, 3, 1), 16) == pytest.approx(true, abs=0.15)


def test_held_out_puppets_are_stable_and_take_motions_in_turn():
    assert held_out_puppet(2) == held_out_puppet(2) != held_out_puppet(9)
    assert [held_out_puppet(i).motion for i in range(7)] == list(MOTIONS)


@pytest.mark.soak
def test_a_little_training_already_tells_true_motions_apart():
    judge, accuracy = train_classifier(clips=210, epochs=8, held_out=42)
    assert accuracy > 3 / len(MOTIONS)
    puppet = held_out_puppet(0)
    frames = render_clip(puppet, 0, 145).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    judged = score(judge, puppet, list(frames.astype(np.uint8)))
    assert judged.sharpness == pytest.approx(1, abs=0.02) and judged.identity < 0.02


def test_true_clips_show_all_motions():
    clips, labels = true_clips(7, seed=1)
    assert clips.shape == (7, LOOKS, 3, 64, 64) and labels.tolist() == list(range(7))
