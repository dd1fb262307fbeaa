"""Real CFG for Helios: on the flow, in the dtype of the transformer; for Mid with CFG-Zero* (arXiv 2503.18886)."""

import torch

ZERO_STEPS = 2
"""Steps of the first stage whose flow CFG-Zero* sets to zero."""


def guided(positive: torch.Tensor, negative: torch.Tensor, scale: float) -> torch.Tensor:
    """negative + scale * (positive - negative)."""
    return negative + scale * (positive - negative)


def guided_star(positive: torch.Tensor, negative: torch.Tensor, scale: float) -> torch.Tensor:
    """The same with ``negative`` projected: multiplied by <positive, negative> / |negative|^2 over all latents."""
    flat_positive, flat_negative = positive.reshape(1, -1).float(), negative.reshape(1, -1).float()
    product = torch.sum(flat_positive * flat_negative, dim=1, keepdim=True)
    norm = torch.sum(flat_negative**2, dim=1, keepdim=True) + 1e-8
    share = (product / norm).view(1, 1, 1, 1, 1).to(positive.dtype)
    return negative * share + scale * (positive - negative * share)
