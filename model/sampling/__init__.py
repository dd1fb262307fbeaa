"""Samplers and schedules for flow matching: plain functions over (model, x, sigmas)."""

from .base import Model, OnStep, Sampler, euler
from .schedule import MAX_SHIFT, flow_shift, flow_sigmas, guidance_of, timestep_of
from .schedulers import SCHEDULERS
from .unipc import unipc, unipc_bh2

SAMPLERS: dict[str, Sampler] = {"unipc": unipc, "unipc_bh2": unipc_bh2, "euler": euler, **SCHEDULERS}

__all__ = [
    "MAX_SHIFT",
    "SAMPLERS",
    "Model",
    "OnStep",
    "Sampler",
    "euler",
    "flow_shift",
    "flow_sigmas",
    "guidance_of",
    "timestep_of",
    "unipc",
    "unipc_bh2",
]
