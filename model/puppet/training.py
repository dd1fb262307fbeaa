"""What both trainings share: averaged weights, learning rate, crash-safe state files."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SAVE_EVERY = 500
"""Steps."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called with (steps done, steps in all, metrics)."""


class Ema:
    """Exponential moving average of the modules' weights; short at first, so that early averages are not the start."""

    def __init__(self, *modules: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.weights: list[Tensor] = [weight for module in modules for weight in module.parameters()]
        self.average = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights as they are after ``step``."""
        torch._foreach_lerp_(self.average, self.weights, 1 - min(self.decay, (1 + step) / (10 + step)))

    @torch.no_grad()
    def apply(self) -> None:
        """Set the weights to their average."""
        torch._foreach_copy_(self.weights, self.average)

    def state_dict(self) -> list[Tensor]:
        return self.average

    def load_state_dict(self, state: list[Tensor]) -> None:
        torch._foreach_copy_(self.average, state)


def bf16_is_fast(device: str) -> bool:
    """Whether ``device`` has instructions for bf16; on a CPU without them it is a hundred times slower than fp32."""
    capable = torch.cpu.get_capabilities()
    return torch.device(device).type != "cpu" or bool(capable.get("amx_bf16") or capable.get("avx512_bf16"))


def bf16_where_fast(device: str) -> torch.autocast:
    """Autocast to bf16, but not on a CPU where that would be slow."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, bf16_is_fast(device))


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


class Learner:
    """What learns to draw: ``module``, of which weights that need no gradient stay as they are; its optimiser, averaged
    weights and step, which a state file holds. Goes on from that file where it exists."""

    def __init__(
        self,
        module: nn.Module,
        *,
        rate: float,
        steps: int,
        device: str,
        state_path: Path,
        report: Report,
    ) -> None:
        self.module, self.rate, self.steps, self.step = module, rate, steps, 0
        self.ema = Ema(module)
        self.weights = [weight for weight in module.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
        self._path, self._report = state_path, report
        if state_path.exists():
            state = torch.load(state_path, map_location=device, weights_only=True)
            module.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema.load_state_dict(state["ema"])
            self.step = state["step"]

    def learn(self, errors: Tensor) -> None:
        """One update by square errors [n] of pictures in [0, 1], for the highest mean signal-to-noise ratio."""
        loss = errors.clamp(min=1e-10).log10().mean()  # a tenth of minus that ratio
        for group in self.optimizer.param_groups:
            group["lr"] = cosine_rate(self.step, self.steps, self.rate, warmup=200)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.step)
        self.step += 1
        if self.step % 50 == 0 or self.step == self.steps:
            self._report(self.step, self.steps, {"psnr": -10 * loss.item()})
        if self.step % SAVE_EVERY == 0 or self.step == self.steps:
            save_state(
                self._path,
                {
                    "model": self.module.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "ema": self.ema.state_dict(),
                    "step": self.step,
                },
            )
