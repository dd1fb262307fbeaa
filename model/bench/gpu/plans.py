"""A denoising step under each memory plan: seconds and peak, beside what the plan expects of the card."""

import gc
from typing import Any

import torch

from model.bench.sizes import build, find_size, noise, section_inputs, working_dtype
from model.bench.steps import take_turns, through_ours, timed
from model.device import HOST, open_device
from model.memory import PLACEMENTS, footprint, plan_memory
from model.placement import transformer_move
from model.transformer.acceleration import accelerate

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    device, size = open_device(setup.device), find_size(setup.size)
    dtype = working_dtype(device)
    for names in (("transformer", "hot", "streamed"), ("fp8", "streamed-fp8")):
        made = build(size, device, dtype)
        accelerate(made, device, dtype)
        if names[0] == "fp8":
            made.use_fp8()
        for name in names:
            attempt(name, lambda n=name, m=made: _measure(m, n, setup.size, device, dtype), emit)  # type: ignore[misc]
        del made


def _measure(made: Any, name: str, size: str, device: torch.device, dtype: torch.dtype) -> Row:
    placement = PLACEMENTS[name]
    inputs, x = section_inputs(find_size(size), device, dtype), noise(find_size(size), device, dtype)
    gc.collect()

    def bring() -> None:
        if placement.streamed:
            made.to(HOST)
        transformer_move(made, placement, device)(device)

    placing, _ = timed(bring, device)
    reset_peak(device)
    times = take_turns({name: through_ours(made, inputs)}, x, 3, 1)[name]
    planned = footprint("framepack")
    transformer = plan_memory(planned, 1000, 1000, smallest=name).rows[0].card
    return {
        "placing_s": placing,
        "first_s": times.first[0],
        "step_s": min(times.later),
        "peak_gb": peak_gb(device),
        "expected_gb": transformer + planned.activations if size == "13b" else None,
    }
