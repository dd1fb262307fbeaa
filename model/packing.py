"""Packing: a section's context slots become the keyword arguments of diffusers' FramePack transformer.

``HunyuanVideoFramepackTransformer3DModel`` takes three context streams, one per patchify kernel: *clean* (k1),
*2x* (k2) and *4x* (k4), each with the RoPE time index of every latent frame (section 1.3 of the paper,
arXiv 2504.12626; the class packs them as [4x, 2x, clean, window]).
"""

from collections.abc import Mapping, Sequence

import torch

from .plan.context import ContextSlot

_STREAMS = {
    1: ("latents_clean", "indices_latents_clean"),
    2: ("latents_history_2x", "indices_latents_history_2x"),
    4: ("latents_history_4x", "indices_latents_history_4x"),
}


def pack_context(
    slots: Sequence[ContextSlot],
    latents: Mapping[int, torch.Tensor],
    channels: int,
    height: int,
    width: int,
    batch: int = 1,
) -> dict[str, torch.Tensor]:
    """Gather the context of one section.

    Args:
        slots: the section's slots in time order.
        latents: absolute latent frame -> [channels, height, width] or [batch, channels, height, width].
        channels, height, width, batch: of the latents; slots that no latent fills are fed zeros, as in the reference.

    Returns:
        ``latents_*`` [batch, channels, frames, height, width] and their 1-D time indices, for every kernel in use.

    Raises:
        KeyError: a slot names a latent that is not in ``latents``.
        ValueError: a slot's kernel has no stream in diffusers' class (only k1, k2 and k4 do).
    """
    packed: dict[str, torch.Tensor] = {}
    for kernel in sorted({slot.kernel for slot in slots}):
        if kernel not in _STREAMS:
            raise ValueError(f"kernel k{kernel} has no context stream; diffusers' class has k1, k2 and k4.")
        name, index_name = _STREAMS[kernel]
        chosen = [slot for slot in slots if slot.kernel == kernel]
        shape = (batch, channels, height, width)
        empty = torch.zeros(shape)
        frames = [empty if slot.latent is None else latents[slot.latent].float().expand(shape) for slot in chosen]
        packed[name] = torch.stack(frames, dim=2)
        packed[index_name] = torch.tensor([slot.index for slot in chosen])
    return packed
