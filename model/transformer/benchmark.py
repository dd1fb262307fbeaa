"""A section's steps with random weights, through diffusers' class and through ours: time, memory and the difference."""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch

from farm.errors import InputError, unknown_name
from model.plan.context import place_context
from model.plan.layout import Layout

from .acceleration import accelerate
from .inputs import SectionInputs, gather_context
from .memo import SectionMemo
from .packed import PackedTransformer

LAYOUT = "f1k1_x_g9_f1k1f2k2f16k4_td"


@dataclass(frozen=True)
class Size:
    """A transformer and what it is given: its blocks, width and inputs' widths, and the latents' rows and columns."""

    heads: int
    head_dim: int
    dual: int
    single: int
    text: int
    pooled: int
    image: int
    rows: int
    columns: int
    text_tokens: int
    image_tokens: int


SIZES = {
    "tiny": Size(2, 12, 1, 2, 16, 8, 10, 8, 8, 6, 4),
    "small": Size(8, 64, 2, 4, 256, 64, 96, 24, 24, 64, 49),
    "13b": Size(24, 128, 20, 40, 4096, 768, 1152, 76, 80, 256, 729),
}
"""``13b`` is the released model on a section of 608 x 640 pixels."""

VARIANTS = {
    "diffusers": "diffusers' class",
    "packed": "ours",
    "packed-away": "ours, weights of what is computed ahead left on the host",
    "packed-compiled": "ours, blocks compiled",
}


@dataclass(frozen=True)
class Measured:
    """One variant's section.

    ``seconds`` per step, all work of the section shared out over its steps; ``step_seconds`` of a step after the
    first (median); ``peak_gb`` on the device, on a CPU that of the process; ``attention``: its backend; ``tflop`` per
    step, counted for diffusers' class only; ``flow`` predicted last.
    """

    variant: str
    seconds: float
    step_seconds: float
    peak_gb: float
    attention: str
    tflop: float
    flow: Any

    def difference(self, other: "Measured") -> float:
        """Largest difference of what the two predict."""
        return float((self.flow - other.flow).abs().max())


def compare(size: str, device: str, steps: int, variants: tuple[str, ...], threads: int = 1) -> list[Measured]:
    """Measure each variant in a process of its own, so that none sees another's memory.

    Args:
        size: a name of ``SIZES``.
        device: torch's name of it.
        steps: denoising steps of the section.
        variants: names of ``VARIANTS``.
        threads: torch threads on the CPU.

    Raises:
        InputError: a name is unknown, or torch has no such device.
    """
    if size not in SIZES:
        raise unknown_name("size", size, list(SIZES))
    for variant in variants:
        if variant not in VARIANTS:
            raise unknown_name("variant", variant, list(VARIANTS))
    measured = []
    for variant in variants:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            measured.append(pool.submit(measure, variant, size, device, steps, threads).result())
    return measured


@torch.no_grad()
def measure(variant: str, size: str, device_name: str, steps: int, threads: int = 1) -> Measured:
    """Run one section in this process; see ``compare``."""
    torch.set_num_threads(threads)
    try:
        device = torch.empty(1, device=device_name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device_name!r} can't be used ({str(error).splitlines()[0]}).") from error
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    transformer = _build(SIZES[size], device, dtype, packed=variant != "diffusers")
    inputs = _inputs(SIZES[size], device, dtype)
    x = torch.randn(1, 16, len(inputs.indices), SIZES[size].rows, SIZES[size].columns).to(device, dtype)
    times = [1000 * (1 - step / steps) for step in range(steps)]
    attention = "native"
    if variant != "diffusers":
        environ = {"FARM_COMPILE": "1"} if variant == "packed-compiled" else {}
        attention = accelerate(transformer, device, dtype, environ).attention
    if variant == "packed-away":
        transformer.place(device, constants_on="cpu")
    tflop = _count(transformer, x, times[0], inputs) if variant == "diffusers" else 0.0
    _section(transformer, x, times[:1], inputs)  # warm: kernels are chosen, blocks compiled
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    spent, flow = _section(transformer, x, times, inputs)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_rss()
    later = median(spent[1:] or spent)
    return Measured(variant, sum(spent) / steps, later, peak / 1e9, attention, tflop, flow.float().cpu())


def _section(
    transformer: Any, x: torch.Tensor, times: list[float], inputs: SectionInputs
) -> tuple[list[float], torch.Tensor]:
    """Seconds of each step, and the last prediction."""
    memo = SectionMemo(times)
    spent = []
    for timestep in times:
        began = time.perf_counter()
        if isinstance(transformer, PackedTransformer):
            flow = transformer(x, timestep, inputs, memo)
        else:
            flow = transformer(x, torch.tensor([timestep], device=x.device), **_keywords(inputs))[0]
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        spent.append(time.perf_counter() - began)
    return spent, flow


def _build(size: Size, device: torch.device, dtype: torch.dtype, packed: bool) -> Any:
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    axis = size.head_dim * 7 // 16 // 2 * 2  # 56 of 128, as in the released model
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(0)
        with device:
            kind = PackedTransformer if packed else HunyuanVideoFramepackTransformer3DModel
            made = kind(
                num_attention_heads=size.heads,
                attention_head_dim=size.head_dim,
                num_layers=size.dual,
                num_single_layers=size.single,
                text_embed_dim=size.text,
                pooled_projection_dim=size.pooled,
                rope_axes_dim=(size.head_dim - 2 * axis, axis, axis),
                has_image_proj=True,
                image_proj_dim=size.image,
                has_clean_x_embedder=True,
            )
    finally:
        torch.set_default_dtype(before)
    return made.eval().requires_grad_(False)


def _inputs(size: Size, device: torch.device, dtype: torch.dtype) -> SectionInputs:
    """A section in the middle of a video, in the released layout."""
    torch.manual_seed(1)
    context = place_context(Layout.parse(LAYOUT), 28, 1, 37)
    latents = {frame: torch.randn(16, size.rows, size.columns) for frame in range(60)}
    return SectionInputs(
        text=torch.randn(1, size.text_tokens, size.text),
        text_mask=torch.ones(1, size.text_tokens, dtype=torch.bool),
        pooled=torch.randn(1, size.pooled),
        image=torch.randn(1, size.image_tokens, size.image),
        guidance=torch.tensor([9984.0]),
        indices=tuple(range(context.window_index, context.window_index + 9)),
        context=gather_context(context.slots, latents, 16, size.rows, size.columns),
    ).on(device, dtype)


def _keywords(inputs: SectionInputs) -> dict[str, Any]:
    """What diffusers' class is given for a section of the released layout."""
    start, near, half, quarter = inputs.context
    streams = {
        "clean": (torch.cat([start.latents, near.latents], dim=2), start.indices + near.indices),
        "history_2x": (half.latents, half.indices),
        "history_4x": (quarter.latents, quarter.indices),
    }
    keywords: dict[str, Any] = {
        "encoder_hidden_states": inputs.text,
        "encoder_attention_mask": inputs.text_mask,
        "pooled_projections": inputs.pooled,
        "image_embeds": inputs.image,
        "guidance": inputs.guidance,
        "indices_latents": torch.tensor(inputs.indices),
        "return_dict": False,
    }
    for name, (latents, indices) in streams.items():
        keywords[f"latents_{name}"] = latents.to(inputs.text.dtype)
        keywords[f"indices_latents_{name}"] = torch.tensor(indices)
    return keywords


def _count(transformer: Any, x: torch.Tensor, timestep: float, inputs: SectionInputs) -> float:
    """Floating-point operations of one step, in units of 10**12."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        _section(transformer, x, [timestep], inputs)
    return float(counter.get_total_flops()) / 1e12


def _peak_rss() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)
