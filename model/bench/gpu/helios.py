"""A step of each pyramid stage of a 14B Helios, with random weights, through diffusers' class (arXiv 2603.04379)."""

from typing import Any

import torch

from model.bench.sizes import default_dtype, fill, working_dtype
from model.bench.steps import timed
from model.device import open_device

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak

WHOLE = (48, 80)
"""Latent rows and columns of 384 x 640 pixels."""


@torch.no_grad()
def run(setup: Setup, emit: Emit) -> None:
    from diffusers import HeliosTransformer3DModel

    device = open_device(setup.device)
    dtype, whole = working_dtype(device), WHOLE if setup.size == "13b" else (8, 16)
    small = {"num_attention_heads": 2, "attention_head_dim": 12, "rope_dim": (4, 4, 4), "num_layers": 2, "ffn_dim": 32}
    with torch.device("meta"), default_dtype(dtype):
        made = HeliosTransformer3DModel(**({} if setup.size == "13b" else small))
    made = made.to_empty(device=device).eval().requires_grad_(False)
    fill(made)
    made.rope = type(made.rope)(rope_dim=made.config.rope_dim, theta=made.config.rope_theta).to(device)
    for stage, factor in enumerate((4, 2, 1)):
        rows, columns = whole[0] // factor, whole[1] // factor
        attempt(f"stage {stage}", lambda r=rows, c=columns: _step(made, r, c, whole, device, dtype), emit)  # type: ignore[misc]


def _step(made: Any, rows: int, columns: int, whole: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Row:
    def latents(frames: int, height: int, width: int) -> torch.Tensor:
        return torch.randn(1, 16, frames, height, width).to(device, dtype)

    def indices(*places: int) -> torch.Tensor:
        return torch.tensor([places], device=device)

    given = {
        "hidden_states": latents(9, rows, columns),
        "timestep": torch.tensor([500], device=device),
        "encoder_hidden_states": torch.randn(1, 512, made.config.text_dim).to(device, dtype),
        "indices_hidden_states": indices(*range(20, 29)),
        "indices_latents_history_short": indices(0, 19),
        "indices_latents_history_mid": indices(17, 18),
        "indices_latents_history_long": indices(*range(1, 17)),
        "latents_history_short": latents(2, *whole),
        "latents_history_mid": latents(2, *whole),
        "latents_history_long": latents(16, *whole),
        "return_dict": False,
    }
    first, _ = timed(lambda: made(**given), device)
    reset_peak(device)
    seconds = min(timed(lambda: made(**given), device)[0] for _ in range(2))
    return {"step_s": seconds, "first_s": first, "peak_gb": peak_gb(device)}
