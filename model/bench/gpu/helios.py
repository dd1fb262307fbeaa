"""A step of each pyramid stage of a 14B Helios, with random weights, through diffusers' class and through ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from model.bench.helios import SIZES, HeliosKit
from model.bench.sizes import working_dtype
from model.bench.steps import relative_error, through_ours, timed
from model.device import open_device
from model.transformer.acceleration import accelerate

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    device = open_device(setup.device)
    size = SIZES["helios-14b" if setup.size == "13b" else "helios-tiny"]
    kit, dtype = HeliosKit(replace(size, rows=max(size.rows, 16), columns=max(size.columns, 16))), working_dtype(device)
    theirs = kit.build_diffusers(device, dtype)
    ours = kit.build(device, dtype, like=theirs)
    accelerate(ours, device, dtype)
    inputs = kit.inputs(device, dtype)
    classes = {"diffusers": kit.through_diffusers(theirs, inputs), "ours": through_ours(ours, inputs)}
    for stage, factor in enumerate((4, 2, 1)):
        noise = kit.noise(device, dtype)[..., ::factor, ::factor].contiguous()
        attempt(f"stage {stage}", lambda x=noise: _steps(classes, x, device), emit)  # type: ignore[misc]


def _steps(classes: dict[str, Callable[..., Any]], x: torch.Tensor, device: torch.device) -> Row:
    """Seconds of a step after the first, and the peak of memory, of each class; the section's work is in the first."""
    row: Row = {}
    flows = []
    for name, begin in classes.items():
        forward = begin([900.0, 500.0])
        first, _ = timed(lambda f=forward: f(x, 900.0), device)  # type: ignore[misc]
        reset_peak(device)
        steps = [timed(lambda f=forward: f(x, 500.0), device) for _ in range(3)]  # type: ignore[misc]
        flows.append(steps[-1][1])
        seconds = min(seconds for seconds, _ in steps)
        mark = "" if name == "diffusers" else f"{name}_"
        row |= {f"{mark}step_s": seconds, f"{mark}first_s": first, f"{mark}peak_gb": peak_gb(device)}
    return {**row, "ratio": row["ours_step_s"] / row["step_s"], "relative_error": relative_error(flows[1], flows[0])}
