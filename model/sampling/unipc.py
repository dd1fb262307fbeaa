"""UniPC (arXiv 2302.04867) for flow matching, on x0 predictions with lambda = -ln(sigma), as FramePack uses it.

Predictor and corrector share one model call per step; the order warms up 1, 2, 3. Written from the paper's equations;
the constants (order-2 predictor 0.5, order-1 corrector 0.5, no lower order at the end) are FramePack's. diffusers'
scheduler of this name differs: there lambda = ln((1 - sigma) / sigma).
"""

import math
from collections.abc import Sequence
from functools import partial

import torch

from .base import Model, OnStep, Sampler


def unipc(
    model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep, order: int = 3, variant: str = "bh1"
) -> torch.Tensor:
    """Sample with UniPC.

    Args:
        model, x, sigmas, on_step: see ``Sampler``.
        order: largest order of the predictor; the corrector's is one higher.
        variant: ``bh1``, where B(h) = h, or ``bh2``, where B(h) = e**h - 1; here h counts downwards.
    """
    steps = len(sigmas) - 1
    order = min(order, steps - 1)
    known = [(sigmas[0], model(x, sigmas[0]))]  # (sigma, x0) of the last steps, oldest first
    on_step(1, steps)
    for i in range(1, steps):
        x, x0 = unipc_step(model, x, known[-order:], sigmas[i], variant)
        known = [*known[-order:], (sigmas[i], x0)]
        on_step(i + 1, steps)
    return known[-1][1]


unipc_bh2: Sampler = partial(unipc, variant="bh2")


def unipc_step(
    model: Model, x: torch.Tensor, known: Sequence[tuple[float, torch.Tensor]], sigma: float, variant: str = "bh1"
) -> tuple[torch.Tensor, torch.Tensor]:
    """From the newest known sigma to ``sigma``: the corrected x and the x0 predicted there."""
    newest_sigma, newest = known[-1]
    h = math.log(newest_sigma / sigma)
    scale = h if variant == "bh1" else -math.expm1(-h)
    ratios = [math.log(newest_sigma / s) / h for s, _ in reversed(known[:-1])]
    differences = [(m - newest) / r for r, (_, m) in zip(ratios, reversed(known[:-1]), strict=True)]
    predictor, corrector = unipc_weights(h, scale, ratios)
    base = (sigma / newest_sigma) * x - math.expm1(-h) * newest
    predicted = base + scale * _weighted(predictor, differences, newest)
    x0 = model(predicted, sigma)
    corrected = base + scale * _weighted(corrector, [*differences, x0 - newest], newest)
    return corrected, x0


def unipc_weights(h: float, scale: float, ratios: Sequence[float]) -> tuple[list[float], list[float]]:
    """Weights of the earlier differences for the predictor, and of those and the new one for the corrector.

    Args:
        h: ln(sigma before / sigma after).
        scale: -B(-h): h for bh1, 1 - e**-h for bh2.
        ratios: ln(newest sigma / earlier sigma) / h, newest first; negative.
    """
    z = -h
    points = torch.tensor([*ratios, 1.0], dtype=torch.float64)
    order = len(points)
    phi = math.expm1(z) / z - 1
    targets = []
    for i in range(1, order + 1):
        targets.append(phi * math.factorial(i) / -scale)
        phi = phi / z - 1 / math.factorial(i + 1)
    matrix = torch.stack([points**i for i in range(order)])
    target = torch.tensor(targets, dtype=torch.float64)
    if order == 1:
        return [], [0.5]
    predictor = [0.5] if order == 2 else torch.linalg.solve(matrix[:-1, :-1], target[:-1]).tolist()
    return predictor, torch.linalg.solve(matrix, target).tolist()


def _weighted(weights: Sequence[float], terms: Sequence[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(like)
    for weight, term in zip(weights, terms, strict=True):
        total = total + weight * term
    return total
