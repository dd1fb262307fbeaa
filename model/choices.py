"""Samplers, step caches, LoRAs and the fit of pictures as requests name them, with what users are told about them. No
torch, no files."""

from dataclasses import dataclass
from typing import Literal

SAMPLERS = {
    "unipc": "UniPC of order 3, variant bh1: what FramePack was tuned with",
    "unipc_bh2": "UniPC of order 3, variant bh2",
    "euler": "first order: needs more steps, hides nothing",
    "FlowMatchEulerDiscreteScheduler": "diffusers' Euler",
    "UniPCMultistepScheduler": "diffusers' UniPC: order 2, variant bh2",
    "DPMSolverMultistepScheduler": "diffusers' DPM-Solver++ (2M)",
    "DPMSolverSinglestepScheduler": "diffusers' DPM-Solver++ (2S)",
    "DEISMultistepScheduler": "diffusers' DEIS of order 2",
}
"""Every name that ``sampler`` takes. Each calls the model once a step, at the same noise levels."""

CACHES = {
    "none": "every step is computed",
    "auto": "what the model's makers recommend",
    "tea": "TeaCache: skips steps whose input has hardly changed",
    "mag": "MagCache: skips steps by a calibration of the model",
    "first_block": "FirstBlockCache: computes one block to judge whether the others are needed",
    "taylor": "TaylorSeer: extrapolates the output between computed steps",
}
"""Every name that ``cache`` takes."""


def no_calibration(family: str) -> str:
    """What to tell who asks for MagCache where nobody has measured the model."""
    return (
        f"cache 'mag' needs a calibration, and model {family!r} has none; measure one with `farm bench magcache` "
        "and give it as magcache_ratios, or use cache 'tea'."
    )


MAX_WEIGHT = 4.0
MAX_LORAS = 8


@dataclass(frozen=True)
class Lora:
    """A LoRA as a request names it. ``sha256`` (hex) is filled in when the job is accepted: the bytes that it means."""

    name: str
    weight: float = 1.0
    sha256: str = ""


FitKind = Literal["crop", "pad"]


@dataclass(frozen=True)
class Fit:
    """How pictures come into the size of the video: ``crop`` covers it and cuts off what overhangs, ``pad`` shows the
    whole picture between black bars. ``position``: where the picture lies then, along the side where it does not fit,
    from 0 (its left or top is kept, or at the edge) over 0.5 (the middle) to 1."""

    kind: FitKind = "crop"
    position: float = 0.5


CENTRED = Fit()
