"""Seconds of a denoising step: attention backends, compiled blocks, 8-bit products, beside diffusers' class."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from model.bench.sizes import (
    NEW_FRAMES,
    build,
    build_diffusers,
    diffusers_keywords,
    find_size,
    noise,
    section_inputs,
    working_dtype,
)
from model.bench.steps import Forward, relative_error, take_turns, through_diffusers, through_ours, timed
from model.bench.transformer import count_tflop
from model.device import open_device
from model.kernels import AUTO, BACKENDS, Kernels
from model.transformer.acceleration import accelerate, choose_attention, try_attention
from model.transformer.fp8 import can_multiply

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak

STEPS = 25
"""Of a section, as the released presets have them."""
TIMED = 4

Begin = Callable[[Sequence[float]], Forward]


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    bench = Speed(setup)
    attempt("ceilings", bench.ceilings, emit)
    emit({"name": "diffusers", "tflop": bench.tflop})
    attempt("official arrangement", lambda: bench.beside(through_ours(bench.ours(), bench.inputs, memo=False)), emit)
    attempt("ours", lambda: bench.beside(through_ours(bench.ours(), bench.inputs)), emit)
    best = choose_attention(bench.device, bench.dtype, bench.size.head_dim)
    for name in dict.fromkeys([best, *BACKENDS]):
        if name not in ("native", "math") and not name.endswith("-hub"):
            problem = try_attention(name, bench.device, bench.dtype, bench.size.head_dim)
            if problem:
                emit({"name": f"ours, {name}", "problem": problem[:200]})
            else:
                attempt(f"ours, {name}", lambda n=name: bench.accelerated(n), emit)  # type: ignore[misc]
    if can_multiply(bench.device) or bench.device.type == "cpu":
        attempt(f"ours, {best}, fp8 products", lambda: bench.accelerated(best, fp8=True), emit)
    if bench.device.type == "cpu":
        return
    attempt(f"ours, {best}, compiled", lambda: bench.accelerated(best, compiled=True), emit)
    if can_multiply(bench.device):
        attempt(f"ours, {best}, fp8 products, compiled", lambda: bench.accelerated(best, True, True), emit)
    if not try_attention("sage", bench.device, bench.dtype, bench.size.head_dim):
        attempt("ours, sage, fp8 products, compiled", lambda: bench.accelerated("sage", True, True), emit)


class Speed:
    """Diffusers' class with random weights, the reference, and ours with the very same tensors beside it."""

    def __init__(self, setup: Setup) -> None:
        self.size, self.device = find_size(setup.size), open_device(setup.device)
        self.dtype = working_dtype(self.device)
        self.reference = build_diffusers(self.size, self.device, self.dtype)
        self.inputs = section_inputs(self.size, self.device, self.dtype)
        self.x = noise(self.size, self.device, self.dtype)
        self.tflop = count_tflop(through_diffusers(self.reference, diffusers_keywords(self.inputs)), self.x)

    def ours(self) -> Any:
        """Our class with the reference's tensors."""
        return build(self.size, self.device, self.dtype, like=self.reference)

    def accelerated(self, attention: str, compiled: bool = False, fp8: bool = False) -> Row:
        """Ours on that backend, compiled or with 8-bit products, beside the reference."""
        made = self.ours()
        if fp8:
            made.use_fp8()
        on_card = self.device.type == "cuda"
        accelerate(
            made, self.device, self.dtype, Kernels(attention if on_card else AUTO, compiled, fp8=fp8 and on_card)
        )
        begin = through_ours(made, self.inputs)
        compile_s, _ = timed(lambda: begin([1000.0])(self.x, 1000.0), self.device)
        return self.beside(begin) | ({"first_call_s": compile_s} if compiled else {})

    def beside(self, begin: Begin) -> Row:
        """Time ``begin`` and the reference in turns."""
        reset_peak(self.device)
        pair = {"reference": through_diffusers(self.reference, diffusers_keywords(self.inputs)), "this": begin}
        times = take_turns(pair, self.x, TIMED, 1)
        this, reference = times["this"], times["reference"]
        assert this.flow is not None and reference.flow is not None
        section = this.section(STEPS)
        return {
            "first_s": this.first[0],
            "step_s": min(this.later),
            "section_s": section,
            "frame_s": section / NEW_FRAMES,
            "tflop_per_s": self.tflop / min(this.later),
            "reference_step_s": min(reference.later),
            "ratio": section / reference.section(STEPS),
            "relative_error": relative_error(this.flow, reference.flow),
            "peak_gb": peak_gb(self.device),
        }

    def ceilings(self) -> Row:
        """TFLOP/s of a large product, in bf16 and, where possible, 8-bit; of each attention at the model's length."""
        n = 8192 if self.device.type == "cuda" else 256
        a, b = (torch.randn(n, n, device=self.device, dtype=self.dtype) for _ in range(2))
        row: Row = {"matmul_tflop_per_s": 2 * n**3 / 1e12 / best_of(lambda: a @ b, self.device)}
        if can_multiply(self.device):
            row |= {name: 2 * n**3 / 1e12 / best_of(product, self.device) for name, product in _fp8_products(a, b)}
        return row


def best_of(work: Callable[[], Any], device: torch.device, times: int = 5) -> float:
    """Fewest seconds of ``times`` runs, after one of warm-up."""
    timed(work, device)
    return min(timed(work, device)[0] for _ in range(times))


def _fp8_products(a: torch.Tensor, b: torch.Tensor) -> list[tuple[str, Callable[[], Any]]]:
    from model.transformer.fp8 import to_fp8

    left, left_scale = to_fp8(a)
    right, right_scale = to_fp8(b)
    one = torch.ones((), device=a.device)

    def rows() -> Any:
        return torch._scaled_mm(
            left, right.t(), scale_a=left_scale, scale_b=right_scale.t(), out_dtype=a.dtype, use_fast_accum=True
        )

    def whole() -> Any:
        return torch._scaled_mm(left, right.t(), scale_a=one, scale_b=one, out_dtype=a.dtype, use_fast_accum=True)

    return [("fp8_row_scales_tflop_per_s", rows), ("fp8_one_scale_tflop_per_s", whole)]
