"""The steps of a section: one loop for Base's single stage and for the pyramids of Mid and Distilled."""

from collections.abc import Callable
from typing import Any

import torch

from .schedule import Schedule, block_noise, enlarged, shrunk

Flow = Callable[[torch.Tensor, float, int, int], torch.Tensor]
"""From noisy latents, a timestep, a stage and a step of it to the guided flow."""
OnX0 = Callable[[torch.Tensor], None]
"""Called after each step with the x0 that was predicted."""


class Sampling:
    """The steps of one section.

    Args:
        schedule: of the checkpoint.
        shape: of the latents [1, channels, frames, h, w].
        steps: of each stage.
        boosted: whether a distilled model takes twice as many.
        device: where it is computed.
    """

    def __init__(self, schedule: Schedule, shape: torch.Size, steps: int, boosted: bool, device: torch.device) -> None:
        self.schedule, self.shape, self.device = schedule, shape, device
        windows = schedule.windows(*shape[2:])
        self._schedulers = [schedule.begin(stage, steps, boosted, device) for stage in windows]
        self._timesteps = [schedule.timesteps(scheduler) for scheduler in self._schedulers]

    @property
    def timesteps(self) -> list[float]:
        """Of all steps."""
        return [timestep for stage in self._timesteps for timestep in stage]

    def run(self, flow: Flow, generator: torch.Generator, dtype: torch.dtype, on_x0: OnX0) -> torch.Tensor:
        """The section's latents.

        Args:
            flow: of the model.
            generator: of the section's noise, on the CPU: first the window's, then that between stages.
            dtype: what the transformer computes in.
            on_x0: see ``OnX0``.
        """
        x = torch.randn(self.shape, generator=generator, dtype=torch.float32).to(self.device)
        x = shrunk(x, len(self._schedulers))
        for stage, scheduler in enumerate(self._schedulers):
            if stage:
                gamma = self.schedule.gamma
                shape = (*x.shape[:3], 2 * x.shape[3], 2 * x.shape[4])
                noise = block_noise(shape, gamma, generator).to(self.device, dtype)
                x = enlarged(x, scheduler.ori_start_sigmas[stage], gamma, noise)
            start = x
            for step, timestep in enumerate(self._timesteps[stage]):
                v = flow(x.to(dtype), timestep, stage, step)
                x, x0 = (_distilled if self.schedule.distilled else _multistep)(scheduler, v, x, start, step)
                on_x0(x0)
        return x


def _multistep(
    scheduler: Any, v: torch.Tensor, x: torch.Tensor, start: torch.Tensor, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """UniPC as diffusers' scheduler has it for Helios: the next x, and x0."""
    x = scheduler.step(v, scheduler.timesteps[step], x, return_dict=False)[0]
    return x, scheduler.model_outputs[-1]


def _distilled(
    scheduler: Any, v: torch.Tensor, x: torch.Tensor, start: torch.Tensor, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distribution matching: x0, then back on the straight line to the noise that the stage began with."""
    sigmas, timesteps = scheduler.sigmas, scheduler.timesteps
    here = timesteps[step].long().reshape(1)
    x0 = scheduler.convert_flow_pred_to_x0(v, x, here, sigmas, timesteps)
    if step + 1 == len(timesteps):
        return x0, x0
    return scheduler.add_noise(x0, start, timesteps[step + 1].long().reshape(1), sigmas, timesteps), x0
