"""What both trainings share: averaged weights, learning rate, crash-safe state files."""

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of parameters; short at first, so that early averages are not the start weights."""

    def __init__(self, *modules: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.average = [p.detach().clone() for module in modules for p in module.parameters()]

    def update(self, *args: Any) -> None:
        *modules, step = args
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [p for module in modules for p in module.parameters()], 1 - decay)

    def copy_to(self, *modules: nn.Module) -> None:
        with torch.no_grad():
            for mine, theirs in zip(self.average, (p for m in modules for p in m.parameters()), strict=True):
                theirs.copy_(mine)

    def state_dict(self) -> list[Tensor]:
        return self.average

    def load_state_dict(self, state: list[Tensor]) -> None:
        for mine, saved in zip(self.average, state, strict=True):
            mine.copy_(saved)


def cosine_rate(step: int, steps: int, rate: float, warmup: int) -> float:
    """Linear warm-up, then a cosine down to 2% of ``rate``."""
    if step < warmup:
        return rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return rate * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write aside, then rename: a training that is killed while saving keeps its last state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    torch.save(state, aside)
    os.replace(aside, path)
