"""Helios' noise levels: diffusers' schedulers, asked for each stage of a section.

Base has one stage at the whole size. Mid and Distilled have a pyramid of three: the section begins at a quarter of its
height and width, and is brought to twice the size for every further stage, with noise that has no blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from model.sampling.schedule import flow_mu

_SINGULAR = 1e-4
"""How far 3 gamma is from 1 where the noise's covariance counts as singular; there fp32 can't factorise it."""


@dataclass(frozen=True)
class Stage:
    """``index`` and ``tokens`` of the generated window, by which noise levels are shifted."""

    index: int
    tokens: int


@dataclass(frozen=True)
class Schedule:
    """The schedule of a checkpoint.

    Attributes:
        kind: class of diffusers' scheduler.
        config: of it.
    """

    kind: Any
    config: dict[str, Any]

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Schedule":
        """From what ``scheduler_config.json`` holds."""
        import diffusers

        return cls(getattr(diffusers, str(config["_class_name"])), config)

    @property
    def stages(self) -> int:
        """How many there are."""
        return int(self.config.get("stages", 3))

    @property
    def gamma(self) -> float:
        """How strongly the noise between stages is correlated within 2 x 2 latent pixels."""
        return float(self.config.get("gamma", 1 / 3))

    @property
    def distilled(self) -> bool:
        """Whether steps are those of distribution matching: to x0, then back to the stage's own beginning."""
        return str(self.kind.__name__) == "HeliosDMDScheduler"

    def begin(self, stage: Stage, steps: int, boosted: bool, device: torch.device) -> Any:
        """A scheduler ready for the steps of a stage. ``boosted``: with twice the steps, if it is distilled."""
        made = self.kind.from_config(self.config)
        mu = flow_mu(stage.tokens)
        if self.stages == 1:
            made.set_timesteps(steps, device=device, sigmas=np.linspace(0.999, 0.0, steps + 1)[:-1], mu=mu)
        else:
            made.set_timesteps(steps, stage.index, device=device, mu=mu, is_amplify_first_chunk=boosted)
        return made

    def timesteps(self, scheduler: Any) -> list[float]:
        """What the transformer is told: in the pyramid whole numbers, cut off."""
        told = [float(timestep) for timestep in scheduler.timesteps]
        return told if self.stages == 1 else [float(int(timestep)) for timestep in told]

    def windows(self, frames: int, height: int, width: int) -> list[Stage]:
        """The stages of a window of latents; a stage's levels are shifted by its size before it is brought up."""
        smallest = 2 ** (self.stages - 1)
        size = [(height // smallest * 2**i, width // smallest * 2**i) for i in range(self.stages)]
        before = [size[0], *size[:-1]]
        return [Stage(i, frames * rows * columns // 4) for i, (rows, columns) in enumerate(before)]


def shrunk(noise: torch.Tensor, stages: int) -> torch.Tensor:
    """Noise [1, channels, frames, h, w] at the size of the first stage, of the same strength."""
    for _ in range(stages - 1):
        noise = _resized(noise, 0.5, "bilinear") * 2
    return noise


def enlarged(latents: torch.Tensor, sigma: float, gamma: float, noise: torch.Tensor) -> torch.Tensor:
    """``latents`` at twice their height and width, noised to the level at which the next stage begins.

    Args:
        latents: [1, channels, frames, h, w].
        sigma: at which that stage begins, before the correction for noise that nearest neighbours share.
        gamma: of the schedule.
        noise: ``block_noise`` at the new size.
    """
    signal = 1 - sigma
    alpha = 1 / (math.sqrt(1 + (1 / gamma)) * (1 - signal) + signal)
    beta = alpha * (1 - signal) / math.sqrt(gamma)
    return alpha * _resized(latents, 2, "nearest") + beta * noise


def block_noise(shape: Sequence[int], gamma: float, generator: torch.Generator) -> torch.Tensor:
    """Noise [1, channels, frames, h, w] whose 2 x 2 latent pixels have covariance -gamma with one another."""
    batch, channels, frames, height, width = shape
    rows, columns = height // 2, width // 2
    drawn = torch.randn(batch * channels * frames * rows * columns, 4, generator=generator)
    noise = drawn @ _factor(gamma).T
    noise = noise.view(batch, channels, frames, rows, columns, 2, 2)
    return noise.permute(0, 1, 2, 3, 5, 4, 6).reshape(batch, channels, frames, height, width)


def _factor(gamma: float) -> torch.Tensor:
    """Cholesky's factor [4, 4] of the covariance: in fp32 as diffusers has it, where that is possible at all."""
    exact = abs(1 - 3 * gamma) < _SINGULAR
    dtype = torch.float64 if exact else torch.float32
    eye, ones = torch.eye(4, dtype=dtype), torch.ones(4, 4, dtype=dtype)
    covariance = eye * (1 + gamma) - ones * gamma
    covariance += eye * 1e-8
    return torch.linalg.cholesky(covariance).float()


def _resized(latents: torch.Tensor, factor: float, mode: str) -> torch.Tensor:
    """Each latent frame by itself."""
    batch, channels, frames, height, width = latents.shape
    size = (int(height * factor), int(width * factor))
    flat = latents.permute(0, 2, 1, 3, 4).reshape(batch * frames, channels, height, width)
    flat = torch.nn.functional.interpolate(flat, size=size, mode=mode)
    return flat.reshape(batch, frames, channels, *size).permute(0, 2, 1, 3, 4)
