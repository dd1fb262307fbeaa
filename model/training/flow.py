"""The loss: how far the flow is from noise - clean, at noise levels as the model's schedule has them."""

import torch

from model.plan.make import section_seed
from model.sampling import flow_shift, timestep_of
from model.transformer import PackedTransformer, SectionInputs

LEAST = 1e-3
"""Lowest noise level that is trained at."""


def draws(seed: int, position: int) -> torch.Generator:
    """The source of all randomness of the example number ``position``; the same on every machine."""
    return torch.Generator().manual_seed(section_seed(seed, position))


def draw_level(kind: str, tokens: int, source: torch.Generator) -> float:
    """A noise level between ``LEAST`` and 1: ``uniform`` or ``logit-normal``, then shifted by as much as inference
    shifts its steps for a window of so many ``tokens``."""
    normal, level = torch.randn(1, generator=source), torch.rand(1, generator=source)
    if kind == "logit-normal":
        level = torch.sigmoid(normal)
    shift = flow_shift(tokens)
    return max(LEAST, float(shift * level / (1 + (shift - 1) * level)))


def flow_loss(
    transformer: PackedTransformer,
    inputs: SectionInputs,
    clean: torch.Tensor,
    noise: torch.Tensor,
    level: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    """The mean squared error of the flow.

    Args:
        transformer: the model.
        inputs: the section, where the transformer computes, in its ``dtype``.
        clean, noise: [1, channels, frames, h, w] in fp32.
        level: sigma.
        dtype: that of the transformer; it is told noisy latents and timestep as rounded as in inference.
    """
    noisy = ((1 - level) * clean + level * noise).to(dtype)
    flow = transformer(noisy, timestep_of(level, dtype), inputs).float()
    return (flow - (noise - clean)).square().mean()
