"""Noise levels: how far each step goes. A noisy latent is x = (1 - sigma) * x0 + sigma * noise."""

import math

import torch

MAX_SHIFT = 7.0
"""Largest shift that a token count can give; FramePack reaches it at 8,798 tokens."""

_SHIFT_SLOPE = (1.15 - 0.5) / (4096 - 256)
_SHIFT_OFFSET = 0.5 - _SHIFT_SLOPE * 256


def flow_mu(tokens: int) -> float:
    """Flux's mu: linear in the number of generated tokens."""
    return _SHIFT_SLOPE * tokens + _SHIFT_OFFSET


def flow_shift(tokens: int) -> float:
    """Flux's dynamic shift, e**mu with mu linear in the number of generated tokens, capped at ``MAX_SHIFT``.

    At 640-class resolutions and a window of 9 the cap always holds, so that offsets of mu would change nothing there.

    Args:
        tokens: of the generated window alone, frames * height * width / 4 in latent pixels.
    """
    return min(math.exp(flow_mu(tokens)), MAX_SHIFT)


def flow_sigmas(steps: int, shift: float, exponent: float = 1.0) -> list[float]:
    """Noise levels from 1 to 0, ``steps`` + 1 of them: shift / (shift + (1/t - 1)**exponent), t falling from 1 to 0.

    Worked out in fp32 as FramePack does: of doubles, some timesteps would be rounded to another bf16.

    Args:
        steps: model calls; sigma 0 at the end is not one of them.
        shift: above 1 spends more steps at high noise, where layout and motion are decided.
        exponent: above 1 moves steps from the middle to both ends, below 1 the other way; models are trained with 1.
    """
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float32)
    sigmas: list[float] = (shift / (shift + (1 / times - 1) ** exponent)).tolist()
    return sigmas


def timestep_of(sigma: float, dtype: torch.dtype) -> float:
    """The timestep that the transformer is told, sigma * 1000 rounded to its dtype as FramePack does.

    In bf16 that is coarse: 994.1 becomes 996.
    """
    return float(torch.tensor(sigma * 1000).to(dtype))


def guidance_of(scale: float, dtype: torch.dtype) -> float:
    """The distilled guidance that the transformer is told, scale * 1000 in its dtype: in bf16, 10 gives 9984."""
    return float(torch.tensor(scale * 1000).to(dtype))
