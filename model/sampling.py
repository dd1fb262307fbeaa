"""Samplers for flow matching: plain functions over (model, x, sigmas).

A *model* maps a noisy latent and its sigma to x0, the clean latent it predicts. With the flow v = noise - x0, a
noisy latent is x = (1 - sigma) * x0 + sigma * noise, so x0 = x - sigma * v. Every sampler calls the model once per
step and returns the x0 predicted at the last sigma before 0; sigma 0 is never evaluated. This is FramePack's choice.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

Model = Callable[[torch.Tensor, float], torch.Tensor]
"""(x, sigma) -> x0, all tensors of one shape."""

OnStep = Callable[[int, int], None]
"""Called after each step with (steps done, steps in all); whatever it raises ends the sampling."""

MAX_SHIFT = 7.0
"""Largest shift that a token count can give; FramePack reaches it at 8,798 tokens."""

_SHIFT_SLOPE = (1.15 - 0.5) / (4096 - 256)
_SHIFT_OFFSET = 0.5 - _SHIFT_SLOPE * 256


class Sampler(Protocol):
    def __call__(self, model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep) -> torch.Tensor: ...


def flow_shift(tokens: int) -> float:
    """Flux's dynamic shift, e**mu with mu linear in the number of generated tokens, capped at ``MAX_SHIFT``.

    Args:
        tokens: of the generated window alone, frames * height * width / 4 in latent pixels.
    """
    return min(math.exp(_SHIFT_SLOPE * tokens + _SHIFT_OFFSET), MAX_SHIFT)


def flow_sigmas(steps: int, shift: float) -> list[float]:
    """Noise levels from 1 to 0, ``steps`` + 1 of them: shift / (shift + 1/t - 1) for t falling evenly from 1 to 0."""
    times = [1 - i / steps for i in range(steps)]
    return [shift / (shift + 1 / t - 1) for t in times] + [0.0]


def euler(model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep) -> torch.Tensor:
    """First order: a straight line from x towards the predicted x0."""
    steps = len(sigmas) - 1
    for i in range(steps):
        x0 = model(x, sigmas[i])
        x = x0 + (sigmas[i + 1] / sigmas[i]) * (x - x0)
        on_step(i + 1, steps)
    return x0


def unipc(model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep, order: int = 3) -> torch.Tensor:
    """UniPC (arXiv 2302.04867), variant B(h) = h, on x0 predictions with lambda = -ln(sigma).

    Predictor and corrector share one model call per step; the order warms up 1, 2, 3. Written from the paper's
    equations; the constants (order-2 predictor 0.5, order-1 corrector 0.5, no lower order at the end) are FramePack's.
    """
    steps = len(sigmas) - 1
    order = min(order, steps - 1)
    known = [(sigmas[0], model(x, sigmas[0]))]  # (sigma, x0) of the last steps, oldest first
    on_step(1, steps)
    for i in range(1, steps):
        x, x0 = _unipc_step(model, x, known[-order:], sigmas[i])
        known = [*known[-order:], (sigmas[i], x0)]
        on_step(i + 1, steps)
    return known[-1][1]


def _unipc_step(
    model: Model, x: torch.Tensor, known: Sequence[tuple[float, torch.Tensor]], sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """From the newest known sigma to ``sigma``: the corrected x and the x0 predicted there."""
    newest_sigma, newest = known[-1]
    h = math.log(newest_sigma / sigma)
    ratios = [math.log(newest_sigma / s) / h for s, _ in reversed(known[:-1])]
    differences = [(m - newest) / r for r, (_, m) in zip(ratios, reversed(known[:-1]), strict=True)]
    predictor, corrector = _unipc_weights(h, ratios)
    base = (sigma / newest_sigma) * x - math.expm1(-h) * newest
    predicted = base + h * _weighted(predictor, differences, newest)
    x0 = model(predicted, sigma)
    corrected = base + h * _weighted(corrector, [*differences, x0 - newest], newest)
    return corrected, x0


def _unipc_weights(h: float, ratios: Sequence[float]) -> tuple[list[float], list[float]]:
    """Weights of the earlier differences for the predictor, and of those and the new one for the corrector."""
    z = -h
    points = torch.tensor([*ratios, 1.0], dtype=torch.float64)
    order = len(points)
    phi = math.expm1(z) / z - 1
    targets = []
    for i in range(1, order + 1):
        targets.append(phi * math.factorial(i) / z)
        phi = phi / z - 1 / math.factorial(i + 1)
    matrix = torch.stack([points**i for i in range(order)])
    target = torch.tensor(targets, dtype=torch.float64)
    if order == 1:
        return [], [0.5]
    if order == 2:
        predictor = [0.5]
    else:
        predictor = torch.linalg.solve(matrix[:-1, :-1], target[:-1]).tolist()
    return predictor, torch.linalg.solve(matrix, target).tolist()


def _weighted(weights: Sequence[float], terms: Sequence[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(like)
    for weight, term in zip(weights, terms, strict=True):
        total = total + weight * term
    return total


SAMPLERS: dict[str, Sampler] = {"unipc": unipc, "euler": euler}
