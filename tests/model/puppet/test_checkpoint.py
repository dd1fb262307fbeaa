"""The checkpoint in the package: complete, small, and able to do what it was trained for."""

import torch

from model.families import FAMILIES, describe, load
from model.family import SamplingParams
from model.puppet.quality import held_out_puppet, identity_error, render_video
from tests.support.machine import here


def test_it_is_complete_small_and_has_a_model_card(monkeypatch):
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)
    folder = FAMILIES["puppet"].default
    describe("puppet", here())  # verifies every file against SHA256SUMS
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 40_000_000
    assert "Model card" in (folder / "README.md").read_text()


def test_a_clip_keeps_its_person_and_moves(monkeypatch):
    monkeypatch.delenv("FARM_PUPPET_PATH", raising=False)
    renderer = load("puppet", here())
    dancer = held_out_puppet(0)
    params = SamplingParams(steps=12)
    frames = list(render_video(renderer, dancer, order="bisect", seconds=2.4, seed=1, params=params))
    assert len(frames) == 73
    clip = torch.stack([torch.from_numpy(frame) for frame in frames]).permute(0, 3, 1, 2).float() / 255
    assert identity_error(dancer, clip[-30:]) < 0.12
    assert clip[10:].std(dim=0).max() > 0.1
