"""Training clips of the transformer: latents of short true videos, with everything a prompt can say about them."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.plan.context import Context, place_context
from model.plan.layout import Layout

from .codec import TIME, AutoencoderPuppet
from .prompts import TEMPO_RANGE, write_prompt
from .world import Puppet, render_clip, sample_puppet

SECTIONS = 5
"""Sections in a training clip: enough for every gap up to the largest that contexts tell apart."""


@dataclass
class Clip:
    """``latents`` [channels, 1 + 9 * SECTIONS, h, w] fp16, scaled; ``start`` the start image [h, w, 3] uint8."""

    puppet: Puppet
    latents: Tensor
    start: np.ndarray

    def prompt(self, rng: random.Random) -> str:
        """A fresh phrasing of what happens."""
        tempo = next((n for n, (low, high) in TEMPO_RANGE.items() if low <= self.puppet.tempo < high), "fast")
        return write_prompt(self.puppet.motion, tempo, rng)


def make_clip(codec: AutoencoderPuppet, seed: int, resolution: int, window: int, device: str) -> Clip:
    """Render and encode the clip of ``seed``."""
    puppet = sample_puppet(random.Random(seed))
    frames = render_clip(puppet, 0, 1 + TIME * window * SECTIONS, resolution, device)
    start = frames[0].mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    with torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16):
        latents = codec.encode((frames * 2 - 1).transpose(0, 1)[None]).latent_dist.mode()[0]
    return Clip(puppet, (latents.float() * codec.config.scaling_factor).half(), start)


def sample_context(layout: Layout, rng: random.Random) -> tuple[int, Context]:
    """Draw where a section stands and what its context holds, so that every order is in distribution.

    Returns:
        The section's index in its clip, and its context: none, past, future or both, near or far.
    """
    index = rng.choice((0, 0, *range(SECTIONS)))
    past_end = 1
    if index and rng.random() < 0.72:
        last = index - 1 if rng.random() < 0.65 else rng.randrange(index)
        past_end = 1 + layout.window * (last + 1)
    future_start = None
    if index < SECTIONS - 1 and rng.random() < 0.6:
        first = index + 1 if rng.random() < 0.65 else rng.randrange(index + 1, SECTIONS)
        future_start = 1 + layout.window * first
    return index, place_context(layout, 1 + layout.window * index, past_end, future_start)
