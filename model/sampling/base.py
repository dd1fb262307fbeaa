"""What a sampler is, and the simplest one.

A *model* maps a noisy latent and its sigma to x0, the clean latent it predicts. With the flow v = noise - x0, a
noisy latent is x = (1 - sigma) * x0 + sigma * noise, so x0 = x - sigma * v. Every sampler calls the model once per
step, at each sigma in turn, and returns the x0 predicted at the last sigma before 0, where it is never evaluated.
This is FramePack's choice.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

Model = Callable[[torch.Tensor, float], torch.Tensor]
"""(x, sigma) -> x0, all tensors of one shape."""

OnStep = Callable[[int, int], None]
"""Called after each step with (steps done, steps in all); whatever it raises ends the sampling."""


class Sampler(Protocol):
    def __call__(self, model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep) -> torch.Tensor: ...


def euler(model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep) -> torch.Tensor:
    """First order: a straight line from x towards the predicted x0."""
    steps = len(sigmas) - 1
    for i in range(steps):
        x0 = model(x, sigmas[i])
        x = x0 + (sigmas[i + 1] / sigmas[i]) * (x - x0)
        on_step(i + 1, steps)
    return x0
