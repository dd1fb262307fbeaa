"""What the benchmarks run of Helios (arXiv 2603.04379): transformers of three sizes, and a section in mid-video."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from model.families.helios.inputs import HeliosInputs
from model.families.helios.transformer import HeliosTransformer
from model.plan.context import place_context
from model.plan.layout import Layout
from model.transformer import gather_context

from .sizes import default_dtype, fill
from .steps import Forward, through_diffusers

LAYOUT = "f1k1_x_td_f16k4f2k2f1k1_g9"
WINDOW = 9


@dataclass(frozen=True)
class HeliosSize:
    """A transformer and what it is given: its width and blocks, the text's width, the latents' rows and columns."""

    heads: int
    head_dim: int
    layers: int
    feed_forward: int
    text: int
    rows: int
    columns: int
    text_tokens: int = 512


SIZES = {
    "helios-tiny": HeliosSize(2, 12, 2, 48, 32, 8, 8),
    "helios-small": HeliosSize(8, 64, 4, 1382, 256, 16, 16),
    "helios-14b": HeliosSize(40, 128, 40, 13824, 4096, 48, 80),
}
"""``helios-14b`` is the released model on a section of 384 x 640 pixels."""


@dataclass(frozen=True)
class HeliosKit:
    """See ``model.bench.kits``."""

    size: HeliosSize

    def build(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """Ours."""
        return self._build(HeliosTransformer, device, dtype, like)

    def build_diffusers(self, device: torch.device, dtype: torch.dtype, like: nn.Module | None = None) -> Any:
        """Diffusers'."""
        from diffusers import HeliosTransformer3DModel

        return self._build(HeliosTransformer3DModel, device, dtype, like)

    def inputs(self, device: torch.device, dtype: torch.dtype) -> HeliosInputs:
        """A section whose history is full."""
        source = torch.Generator().manual_seed(1)
        size = self.size
        context = place_context(Layout.parse(LAYOUT), 28, 28, None)
        latents = {frame: torch.randn(16, size.rows, size.columns, generator=source) for frame in range(60)}
        return HeliosInputs(
            text=torch.randn(1, size.text_tokens, size.text, generator=source),
            indices=tuple(range(context.window_index, context.window_index + WINDOW)),
            context=gather_context(context.slots, latents, 16, size.rows, size.columns),
        ).on(device, dtype)

    def noise(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Of one window [1, 16, 9, rows, columns]."""
        source = torch.Generator().manual_seed(2)
        return torch.randn(1, 16, WINDOW, self.size.rows, self.size.columns, generator=source).to(device, dtype)

    def through_diffusers(self, transformer: Any, inputs: HeliosInputs) -> Callable[[Sequence[float]], Forward]:
        """A section through diffusers' class."""
        return through_diffusers(transformer, diffusers_keywords(inputs))

    def _build(self, kind: Any, device: torch.device, dtype: torch.dtype, like: nn.Module | None) -> Any:
        size = self.size
        axis = size.head_dim * 42 // 128 // 2 * 2  # 42 of 128, as in the released model
        with torch.device("meta"), default_dtype(dtype):
            made = kind(
                num_attention_heads=size.heads,
                attention_head_dim=size.head_dim,
                num_layers=size.layers,
                ffn_dim=size.feed_forward,
                text_dim=size.text,
                rope_dim=(size.head_dim - 2 * axis, axis, axis),
            )
        made = made.eval().requires_grad_(False)
        if like is None:
            fill(made.to_empty(device=device))
        else:
            made.load_state_dict(like.state_dict(), assign=True)
        made.rope = type(made.rope)(rope_dim=made.config.rope_dim, theta=made.config.rope_theta).to(device)
        return made


def diffusers_keywords(inputs: HeliosInputs) -> dict[str, Any]:
    """What diffusers' class is given for a section."""
    first, quarter, half, near = inputs.context
    streams = {
        "short": (torch.cat([first.latents, near.latents], dim=2), first.indices + near.indices),
        "mid": (half.latents, half.indices),
        "long": (quarter.latents, quarter.indices),
    }
    keywords: dict[str, Any] = {
        "encoder_hidden_states": inputs.text,
        "indices_hidden_states": torch.tensor([inputs.indices]),
        "return_dict": False,
    }
    for name, (latents, indices) in streams.items():
        keywords[f"latents_history_{name}"] = latents
        keywords[f"indices_latents_history_{name}"] = torch.tensor([indices])
    return keywords
