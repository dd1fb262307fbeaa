"""Decoding latents with HunyuanVideo's codec: seconds and memory, in tiles and in whole pictures."""

from dataclasses import dataclass
from typing import Any

import torch

from model.bench.sizes import default_dtype, fill, find_size
from model.bench.steps import timed
from model.device import open_device

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak

BLENDED, ALONE = 18, 10
"""Latents of a chunk that is blended with its neighbour, as in the official programs, and of one with one before."""


@dataclass(frozen=True)
class Tiles:
    """Their sides, and how far one is from the next, in pixels; ``last``: channels last in memory."""

    side: int = 256
    stride: int = 192
    last: bool = False


WAYS = {
    "tiles": Tiles(),
    "tiles, channels last": Tiles(last=True),
    "whole pictures": Tiles(side=1024, stride=1024),
    "whole pictures, channels last": Tiles(side=1024, stride=1024, last=True),
}
"""All in tiles of 17 frames in time, as diffusers' class does by itself."""


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    device, size = open_device(setup.device), find_size(setup.size)
    vae = build_codec(device, tiny=setup.size == "tiny")
    latents = torch.randn(1, 16, BLENDED, size.rows, size.columns).to(device, vae.dtype)
    for name, tiles in WAYS.items():
        attempt(f"{BLENDED} latents, {name}", lambda t=tiles: _decode(vae, latents, t), emit)  # type: ignore[misc]
    attempt(f"{ALONE} latents, tiles", lambda: _decode(vae, latents[:, :, :ALONE], Tiles()), emit)


def build_codec(device: torch.device, tiny: bool = False) -> Any:
    """HunyuanVideo's codec with random weights, in fp16 on a GPU, as released."""
    from diffusers import AutoencoderKLHunyuanVideo

    small = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1} if tiny else {}
    with torch.device("meta"), default_dtype(torch.float16 if device.type == "cuda" else torch.float32):
        vae = AutoencoderKLHunyuanVideo(**small)
    return fill(vae.to_empty(device=device).eval().requires_grad_(False))


def _decode(vae: Any, latents: torch.Tensor, tiles: Tiles) -> Row:
    layout = torch.channels_last_3d if tiles.last else torch.contiguous_format
    vae.to(memory_format=layout)
    latents = latents.contiguous(memory_format=layout)
    vae.enable_tiling(
        tile_sample_min_height=tiles.side,
        tile_sample_min_width=tiles.side,
        tile_sample_stride_height=tiles.stride,
        tile_sample_stride_width=tiles.stride,
    )
    first, _ = timed(lambda: vae.decode(latents), latents.device)
    reset_peak(latents.device)
    seconds, _ = timed(lambda: vae.decode(latents), latents.device)
    return {"decode_s": seconds, "first_s": first, "peak_gb": peak_gb(latents.device)}
