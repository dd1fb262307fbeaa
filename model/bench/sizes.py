"""What the benchmarks run: transformers of three sizes with random weights, and a section in the middle of a video."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from farm.errors import unknown_name
from model.plan.context import place_context
from model.plan.layout import Layout
from model.transformer import PackedTransformer, SectionInputs, gather_context

LAYOUT = "f1k1_x_g9_f1k1f2k2f16k4_td"
WINDOW = 9
NEW_FRAMES = 36
"""Frames of the video that a section of nine latents adds."""


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
    "tiny": Size(2, 16, 1, 2, 16, 8, 16, 8, 8, 6, 4),
    "small": Size(8, 64, 2, 4, 256, 64, 96, 24, 24, 64, 49),
    "13b": Size(24, 128, 20, 40, 4096, 768, 1152, 76, 80, 256, 729),
}
"""``13b`` is the released model on a section of 608 x 640 pixels."""

_TILE = 1 << 20


def find_size(name: str) -> Size:
    """The size called ``name``.

    Raises:
        InputError: there is none.
    """
    if name not in SIZES:
        raise unknown_name("size", name, list(SIZES))
    return SIZES[name]


def working_dtype(device: torch.device) -> torch.dtype:
    """bf16 on a GPU, fp32 elsewhere."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def build(size: Size, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
    """A packed transformer with random weights, or with the very tensors of ``like``."""
    return _build(PackedTransformer, size, device, dtype, like)


def build_diffusers(size: Size, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
    """The same of diffusers' class."""
    from diffusers import HunyuanVideoFramepackTransformer3DModel

    return _build(HunyuanVideoFramepackTransformer3DModel, size, device, dtype, like)


def _build(kind: Any, size: Size, device: torch.device, dtype: torch.dtype, like: nn.Module | None) -> Any:
    axis = size.head_dim * 7 // 16 // 2 * 2  # 56 of 128, as in the released model
    with torch.device("meta"), default_dtype(dtype):
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
    made = made.eval().requires_grad_(False)
    if like is not None:
        made.load_state_dict(like.state_dict(), assign=True)
        return made
    return fill(made.to_empty(device=device))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Inside the block, torch makes new tensors in ``dtype``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@torch.no_grad()
def fill(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give ``module`` random weights in no time: a tile of noise over and over, gains of norms around 1."""
    tiles: dict[torch.device, torch.Tensor] = {}
    source = torch.Generator().manual_seed(seed)
    noise = torch.randn(_TILE, generator=source)
    for index, (name, weight) in enumerate(module.named_parameters()):
        tile = tiles.setdefault(weight.device, noise.to(weight.device)).roll(index * 7919)
        scale = 0.02 if weight.ndim < 2 else weight[0].numel() ** -0.5
        flat = weight.view(-1)
        for start in range(0, flat.numel(), _TILE):
            part = flat[start : start + _TILE]
            part.copy_(tile[: part.numel()] * scale)
        if weight.ndim == 1 and "norm" in name and name.endswith("weight"):
            weight.add_(1)
    return module


def section_inputs(size: Size, device: torch.device, dtype: torch.dtype) -> SectionInputs:
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
        indices=tuple(range(context.window_index, context.window_index + WINDOW)),
        context=gather_context(context.slots, latents, 16, size.rows, size.columns),
    ).on(device, dtype)


def noise(size: Size, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Of one window [1, 16, 9, rows, columns]."""
    source = torch.Generator().manual_seed(2)
    return torch.randn(1, 16, WINDOW, size.rows, size.columns, generator=source).to(device, dtype)


def diffusers_keywords(inputs: SectionInputs) -> dict[str, Any]:
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
        keywords[f"latents_{name}"] = latents.to(inputs.text.device, inputs.text.dtype)
        keywords[f"indices_latents_{name}"] = torch.tensor(indices)
    return keywords
