"""A LoRA learns what all its clips have in common, and shows it where the farm renders with it: on the real puppet."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import model.families as families
from model.choices import Lora
from model.family import SamplingParams
from model.plan import make_plan
from model.puppet.motions import MOTIONS
from model.puppet.quality import start_image
from model.puppet.world import render_clip, sample_puppet
from model.training.config import Recipe
from model.training.loop import train
from model.training.prepare import prepare
from tests.support.clips import encoded
from tests.support.machine import here

CONFIG = """
family = "puppet"
name = "tint"
[[data]]
folder = "clips"
[lora]
rank = 8
[learning]
steps = 20
rate = 5e-3
warmup = 3
checkpointing = false
"""
TINT = (1.0, 0.55, 0.55)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of puppets that turn reddish after their first picture."""
    (tmp_path / "clips").mkdir()
    for number, motion in enumerate(list(MOTIONS)[:2]):
        puppet = sample_puppet(random.Random(number), motion)
        frames = render_clip(puppet, 0, 37, 64, "cpu").permute(0, 2, 3, 1).numpy() * 255
        frames[1:] *= np.array(TINT)
        (tmp_path / "clips" / f"{number}.mp4").write_bytes(encoded(list(frames.astype(np.uint8))))
        (tmp_path / "clips" / f"{number}.txt").write_text(puppet.prompt)
    (tmp_path / "tint.toml").write_text(CONFIG)
    return tmp_path / "tint.toml"


def test_a_tint_that_was_learnt_shows_in_videos_of_others(clips: Path, tmp_path: Path, farm_home: Path) -> None:
    prepared = prepare(Recipe.read(clips), here(), "cpu", tmp_path / "cache")
    file = train(prepared, tmp_path / "out", "cpu")
    (farm_home / "loras").mkdir(parents=True)
    shutil.copy(file, farm_home / "loras")

    renderer = families.load("puppet", here())
    puppet = sample_puppet(random.Random(77))
    conditioning = renderer.encode(start_image(puppet), (puppet.prompt,), "")
    info = renderer.info
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=1.2, seed=1, prompt=puppet.prompt)

    def colour(*loras: Lora) -> torch.Tensor:
        """Mean red, green and blue (0 to 1) of what follows the first pictures."""
        params = SamplingParams(steps=6, loras=loras)
        made = renderer.denoise(plan.sections[0], {}, conditioning, params, lambda done, steps: None)
        frames = renderer.decode(torch.cat([conditioning["start_latent"], made], dim=1))
        return ((frames[9:].float() + 1) / 2).clamp(0, 1).mean(dim=(0, 1, 2))

    red, green, blue = (colour(Lora("tint")) / colour()).tolist()
    assert red > 0.85 and 0.4 < green < 0.8 and 0.4 < blue < 0.75
