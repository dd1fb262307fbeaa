"""Timing steps of one section, variants taking turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from model.transformer import SectionMemo

Forward = Callable[[torch.Tensor, float], torch.Tensor]
"""From noisy latents and a timestep to the flow."""


def through_diffusers(transformer: Any, keywords: Mapping[str, Any]) -> Callable[[Sequence[float]], Forward]:
    """A section through diffusers' class, which is given ``keywords`` and works everything out at every step."""

    def begin(timesteps: Sequence[float]) -> Forward:
        def forward(x: torch.Tensor, timestep: float) -> torch.Tensor:
            flow: torch.Tensor = transformer(x, torch.tensor([timestep], device=x.device), **keywords)[0]
            return flow

        return forward

    return begin


def through_ours(transformer: Any, inputs: Any, memo: bool = True) -> Callable[[Sequence[float]], Forward]:
    """A section through ours. Without ``memo`` everything is worked out at every step, as in the official program."""

    def begin(timesteps: Sequence[float]) -> Forward:
        kept = SectionMemo(timesteps) if memo else None
        return lambda x, timestep: transformer(x, timestep, inputs, kept)

    return begin


@dataclass
class Times:
    """Of one variant: seconds of each first and each later step, over all rounds; ``flow``: predicted last."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    flow: torch.Tensor | None = None

    def section(self, steps: int) -> float:
        """Seconds of a section with that many steps."""
        return median(self.first) + (steps - 1) * median(self.later or self.first)


def take_turns(
    variants: Mapping[str, Callable[[Sequence[float]], Forward]], x: torch.Tensor, steps: int, rounds: int
) -> dict[str, Times]:
    """Run ``rounds`` sections of ``steps`` steps through each variant, a step of each in turn, after one of warm-up."""
    times = [1000 * (1 - step / steps) for step in range(steps)]
    found = {name: Times() for name in variants}
    for turn in range(rounds + 1):
        running = {name: begin(times) for name, begin in variants.items()}
        for step in times[: 2 if turn == 0 else None]:
            for name, forward in running.items():
                spent, flow = timed(lambda f=forward, t=step: f(x, t), x.device)  # type: ignore[misc]
                if turn:
                    (found[name].first if step == times[0] else found[name].later).append(spent)
                    found[name].flow = flow
    return found


@torch.no_grad()
def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Seconds that ``work`` takes on ``device``, and its result."""
    _wait(device)
    began = time.perf_counter()
    result = work()
    _wait(device)
    return time.perf_counter() - began, result


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def relative_error(flow: torch.Tensor, reference: torch.Tensor) -> float:
    """Norm of the difference over the norm of ``reference``."""
    a, b = flow.float(), reference.float()
    return float((a - b).norm() / b.norm())
