"""Decoding latents with HunyuanVideo's codec: seconds and memory, in tiles and in one piece."""

from typing import Any

import torch

from model.bench.sizes import default_dtype, fill, find_size, open_bench_device
from model.bench.steps import timed

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    from diffusers import AutoencoderKLHunyuanVideo

    device, size = open_bench_device(setup.device), find_size(setup.size)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    small = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4} if setup.size == "tiny" else {}
    with torch.device("meta"), default_dtype(dtype):
        vae = AutoencoderKLHunyuanVideo(**small)
    fill(vae.to_empty(device=device).eval().requires_grad_(False))
    for frames, tiled in ((18, True), (10, True), (18, False)):
        latents = torch.randn(1, 16, frames, size.rows, size.columns).to(device, dtype)
        attempt(
            f"{frames} latents, {'tiles' if tiled else 'one piece'}",
            lambda x=latents, t=tiled: _decode(vae, x, t),  # type: ignore[misc]
            emit,
        )


def _decode(vae: Any, latents: torch.Tensor, tiled: bool) -> Row:
    (vae.enable_tiling if tiled else vae.disable_tiling)()
    first, _ = timed(lambda: vae.decode(latents), latents.device)
    reset_peak(latents.device)
    seconds, _ = timed(lambda: vae.decode(latents), latents.device)
    return {"decode_s": seconds, "first_s": first, "peak_gb": peak_gb(latents.device)}
