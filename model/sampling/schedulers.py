"""diffusers' schedulers as samplers: those that take flow predictions at noise levels of our choice, without noise.

The others draw noise at every step, or call the model twice (Heun). The last step, to sigma 0, is not taken: all of
them would give the x0 that the model has just predicted.
"""

from collections.abc import Sequence
from typing import Any

import torch

from .base import Model, OnStep, Sampler

_FLOW: dict[str, Any] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "FlowMatchEulerDiscreteScheduler": {},
    "UniPCMultistepScheduler": _FLOW,
    "DPMSolverMultistepScheduler": _FLOW,
    "DPMSolverSinglestepScheduler": {**_FLOW, "lower_order_final": True},  # an uneven number of steps needs it
    "DEISMultistepScheduler": _FLOW,
}
_NEAR_ONE = 1 - 1e-6
"""Multistep solvers need ln(1 - sigma); diffusers replaces a sigma of 1 by the same."""


def _sampler(name: str, arguments: dict[str, Any]) -> Sampler:
    def sample(model: Model, x: torch.Tensor, sigmas: Sequence[float], on_step: OnStep) -> torch.Tensor:
        import diffusers

        steps = len(sigmas) - 1
        scheduler: Any = getattr(diffusers, name)(**arguments)
        scheduler.set_timesteps(steps)
        scheduler.sigmas = torch.tensor([min(sigma, _NEAR_ONE) for sigma in sigmas])
        scheduler.timesteps = 1000 * scheduler.sigmas[:-1]
        scheduler.set_begin_index(0)
        for i in range(steps):
            x0 = model(x, sigmas[i])
            if i + 1 < steps:
                flow = (x - x0) / scheduler.sigmas[i].item()
                x = scheduler.step(flow, scheduler.timesteps[i], x, return_dict=False)[0]
            on_step(i + 1, steps)
        return x0

    return sample


SCHEDULERS: dict[str, Sampler] = {name: _sampler(name, arguments) for name, arguments in _ARGUMENTS.items()}
