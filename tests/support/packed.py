"""Small packed transformers, sections for them, and the same call to diffusers' class."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel

from model.plan.context import place_context
from model.plan.layout import Layout
from model.transformer import PackedTransformer, SectionInputs, gather_context

I2V = "f1k1_x_g9_f1k1f2k2f16k4_td"
F1 = "f1k1_x_td_f16k4f2k2f1k1_g9"
CONFIG: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "num_layers": 1,
    "num_single_layers": 2,
    "num_refiner_layers": 1,
    "text_embed_dim": 16,
    "pooled_projection_dim": 8,
    "rope_axes_dim": (4, 4, 4),
    "has_image_proj": True,
    "image_proj_dim": 10,
    "has_clean_x_embedder": True,
}
_STREAMS = {1: "clean", 2: "history_2x", 4: "history_4x"}


def packed_transformer(seed: int = 0, **config: Any) -> PackedTransformer:
    """A transformer with random weights; modulations are of a size that shows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PackedTransformer(**{**CONFIG, **config}).eval().requires_grad_(False)


def diffusers_twin(packed: PackedTransformer) -> HunyuanVideoFramepackTransformer3DModel:
    """Diffusers' class with the same weights."""
    config = {name: value for name, value in packed.config.items() if name != "extra_kernels"}
    twin = HunyuanVideoFramepackTransformer3DModel.from_config(config).eval().requires_grad_(False)
    twin.load_state_dict(packed.state_dict(), strict=True)
    return twin


def section_inputs(
    layout: str,
    *,
    start: int = 37,
    past_end: int = 19,
    future_start: int | None = 55,
    video_end: int | None = 91,
    size: tuple[int, int] = (12, 20),
    text_lengths: Sequence[int] = (5,),
    seed: int = 1,
) -> SectionInputs:
    """A section in the middle of a video of random latents, one row per text length."""
    source = torch.Generator().manual_seed(seed)
    batch = len(text_lengths)
    parsed = Layout.parse(layout)
    context = place_context(parsed, start, past_end, future_start, video_end=video_end)
    latents = {frame: torch.randn(batch, 4, *size, generator=source) for frame in range(video_end or 200)}
    mask = torch.arange(7) < torch.tensor(text_lengths)[:, None]
    return SectionInputs(
        text=torch.randn(batch, 7, 16, generator=source),
        text_mask=mask,
        pooled=torch.randn(batch, 8, generator=source),
        image=torch.randn(batch, 3, 10, generator=source),
        guidance=torch.full((batch,), 9984.0),
        indices=tuple(range(context.window_index, context.window_index + parsed.window)),
        context=gather_context(context.slots, latents, 4, *size, batch),
    )


def noise_for(inputs: SectionInputs, seed: int = 2) -> torch.Tensor:
    """Noise of the section's window."""
    shape = inputs.context[0].latents.shape
    source = torch.Generator().manual_seed(seed)
    return torch.randn(shape[0], shape[1], len(inputs.indices), *shape[-2:], generator=source)


def diffusers_flow(twin: Any, x: torch.Tensor, timestep: float, inputs: SectionInputs) -> torch.Tensor:
    """The same section given to diffusers' class through its keyword arguments."""
    frames, indices = defaultdict(list), defaultdict(list)
    for group in inputs.context:
        frames[group.kernel.t].append(group.latents)
        indices[group.kernel.t].extend(group.indices)
    context: dict[str, torch.Tensor] = {}
    for kernel, name in _STREAMS.items():
        context[f"latents_{name}"] = torch.cat(frames[kernel], dim=2)
        context[f"indices_latents_{name}"] = torch.tensor(indices[kernel])
    flow: torch.Tensor = twin(
        x,
        torch.full((x.shape[0],), timestep),
        inputs.text,
        inputs.text_mask,
        inputs.pooled,
        inputs.image,
        indices_latents=torch.tensor(inputs.indices),
        guidance=inputs.guidance,
        return_dict=False,
        **context,
    )[0]
    return flow
