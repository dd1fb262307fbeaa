"""A section's steps with random weights, through diffusers' class and through ours: time, memory and the difference."""

import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from operator import truediv
from statistics import median
from typing import Any

import torch

from farm.errors import unknown_name
from model.device import open_device
from model.kernels import Kernels
from model.transformer.acceleration import accelerate

from .kits import find_kit
from .sizes import working_dtype
from .steps import Forward, Times, take_turns, through_ours

VARIANTS = {
    "diffusers": "diffusers' class",
    "packed": "ours",
    "packed-away": "ours, weights of what is computed ahead left on the host",
    "packed-compiled": "ours, blocks compiled",
}


@dataclass(frozen=True)
class Measured:
    """One variant.

    ``seconds`` per step, all work of the section shared out over its steps; ``step_seconds`` of a step after the
    first (median); ``ratio`` of ``seconds`` to the first variant's, median over rounds; ``peak_gb`` on the device, on
    a CPU that of a process; ``attention``: its backend; ``difference``: largest, to the first variant's flow.
    """

    variant: str
    seconds: float
    step_seconds: float
    ratio: float
    peak_gb: float
    attention: str
    difference: float


@dataclass(frozen=True)
class Comparison:
    """All variants, and the ``tflop`` of a step, counted on diffusers' class."""

    tflop: float
    rows: tuple[Measured, ...]


def compare(
    size: str, device: str, steps: int, variants: tuple[str, ...], threads: int = 1, rounds: int = 3
) -> Comparison:
    """Time the variants in one process, a step of each in turn; then the memory of each in a process of its own.

    Args:
        size: a name that ``find_kit`` knows.
        device: torch's name of it.
        steps: denoising steps of a section.
        variants: names of ``VARIANTS``; the first one is the reference.
        threads: torch threads on the CPU.
        rounds: sections of each variant that count; one more warms up.

    Raises:
        InputError: a name is unknown, or torch has no such device.
    """
    find_kit(size)
    open_device(device)
    for variant in variants:
        if variant not in VARIANTS:
            raise unknown_name("variant", variant, list(VARIANTS))

    def apart(work: Any, *arguments: Any) -> Any:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(work, *arguments).result()

    tflop, times, attention = apart(time_variants, size, device, steps, variants, threads, rounds)
    base = times[variants[0]]
    rows = []
    for variant in variants:
        found = times[variant]
        rows.append(
            Measured(
                variant,
                found.section(steps) / steps,
                median(found.later or found.first),
                median(map(truediv, _sections(found, steps, rounds), _sections(base, steps, rounds))),
                apart(peak_memory, variant, size, device, threads),
                attention[variant],
                float((found.flow - base.flow).abs().max()),
            )
        )
    return Comparison(tflop, tuple(rows))


def _sections(times: Times, steps: int, rounds: int) -> list[float]:
    """Seconds of each round."""
    later = steps - 1
    return [times.first[i] + sum(times.later[i * later : (i + 1) * later]) for i in range(rounds)]


def time_variants(
    size: str, device_name: str, steps: int, variants: tuple[str, ...], threads: int, rounds: int
) -> tuple[float, Mapping[str, Times], dict[str, str]]:
    """Time the variants in this process: TFLOP of a step, times and attention backend of each."""
    torch.set_num_threads(threads)
    device = open_device(device_name)
    dtype, kit = working_dtype(device), find_kit(size)
    inputs, x = kit.inputs(device, dtype), kit.noise(device, dtype)
    weights = kit.build_diffusers(device, dtype)
    tflop = count_tflop(kit.through_diffusers(weights, inputs), x)
    runs, attention = {}, {}
    for variant in variants:
        made = weights if variant == "diffusers" else kit.build(device, dtype, like=weights)
        attention[variant] = _accelerate(variant, made, device, dtype)
        runs[variant] = (kit.through_diffusers if variant == "diffusers" else through_ours)(made, inputs)
    times = take_turns(runs, x, steps, rounds)
    for found in times.values():
        assert found.flow is not None
        found.flow = found.flow.float().cpu()
    return tflop, times, attention


def _accelerate(variant: str, made: Any, device: torch.device, dtype: torch.dtype) -> str:
    """Make of ``made`` what the variant is; its attention backend."""
    if variant == "diffusers":
        return "native"
    attention = accelerate(made, device, dtype, Kernels(compiled=variant == "packed-compiled")).attention
    if variant == "packed-away":
        made.place(device, constants_on="cpu")
    return attention


@torch.no_grad()
def peak_memory(variant: str, size: str, device_name: str, threads: int = 1) -> float:
    """GB that two steps take in this process: on a GPU those of tensors, on a CPU those of the process."""
    torch.set_num_threads(threads)
    device = open_device(device_name)
    dtype, kit = working_dtype(device), find_kit(size)
    made = (kit.build_diffusers if variant == "diffusers" else kit.build)(device, dtype)
    _accelerate(variant, made, device, dtype)
    inputs, x = kit.inputs(device, dtype), kit.noise(device, dtype)
    forward = (kit.through_diffusers if variant == "diffusers" else through_ours)(made, inputs)([1000.0, 500.0])
    forward(x, 1000.0)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    forward(x, 500.0)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_rss()
    return peak / 1e9


@torch.no_grad()
def count_tflop(begin: Callable[[Sequence[float]], Forward], x: torch.Tensor) -> float:
    """Floating-point operations of one step, in units of 10**12. ``begin``: a section, as in ``steps``."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        begin([1000.0])(x, 1000.0)
    return float(counter.get_total_flops()) / 1e12


def _peak_rss() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
