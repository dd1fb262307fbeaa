"""What the packed transformer is told about a section beside the noise: its context and its conditioning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch

from model.plan.context import ContextSlot
from model.plan.layout import Kernel

_APPENDED = (1, 32, 32)
"""Pooling of a tail frame that is appended (ta); section 3.2 of arXiv 2504.12626."""


@dataclass(frozen=True, eq=False)
class ContextGroup:
    """Context frames that one kernel patchifies together.

    ``latents`` are [batch, channels, frames, height, width]; ``indices`` the RoPE time index of each frame, in any
    order and with any gaps; ``pool`` (frames, rows, columns) averages latents before the kernel sees them.
    """

    kernel: Kernel
    latents: torch.Tensor
    indices: tuple[float, ...]
    pool: tuple[int, int, int] = (1, 1, 1)


@dataclass(frozen=True, eq=False)
class SectionInputs:
    """A section as the transformer sees it at every step.

    Attributes:
        text: Llama's embeddings [batch, tokens, dim]; those where ``text_mask`` [batch, tokens] is False don't count.
        pooled: CLIP's embedding [batch, dim].
        image: SigLIP's embeddings [batch, patches, dim]; None: no image is shown.
        guidance: distilled guidance times 1000 [batch]; None for models without it.
        indices: RoPE time index of each generated latent frame.
        context: groups in time order.
    """

    text: torch.Tensor
    text_mask: torch.Tensor
    pooled: torch.Tensor
    image: torch.Tensor | None
    guidance: torch.Tensor | None
    indices: tuple[float, ...]
    context: tuple[ContextGroup, ...]

    def told(self, text: torch.Tensor, text_mask: torch.Tensor, pooled: torch.Tensor) -> "SectionInputs":
        """The same section with another prompt, brought to where this one's is."""
        here = self.text
        return replace(self, text=text.to(here), text_mask=text_mask.to(here.device), pooled=pooled.to(here))

    def paced(self, factor: float) -> "SectionInputs":
        """The same section with all time indices multiplied by ``factor``: see ``model.pace``."""
        if factor == 1:
            return self
        groups = (replace(group, indices=tuple(factor * i for i in group.indices)) for group in self.context)
        return replace(self, indices=tuple(factor * i for i in self.indices), context=tuple(groups))

    def on(self, device: torch.device | str, dtype: torch.dtype) -> "SectionInputs":
        """The same on ``device``, embeddings and latents as ``dtype``."""

        return replace(
            self,
            text=self.text.to(device, dtype),
            text_mask=self.text_mask.to(device),
            pooled=self.pooled.to(device, dtype),
            image=None if self.image is None else self.image.to(device, dtype),
            guidance=None if self.guidance is None else self.guidance.to(device),
            context=tuple(replace(group, latents=group.latents.to(device)) for group in self.context),
        )


def gather_context(
    slots: Sequence[ContextSlot],
    latents: Mapping[int, torch.Tensor],
    channels: int,
    height: int,
    width: int,
    batch: int = 1,
) -> tuple[ContextGroup, ...]:
    """Gather the context of one section.

    Args:
        slots: the section's slots in time order; neighbours on one side with one kernel form a group.
        latents: absolute latent frame -> [channels, height, width] or [batch, channels, height, width].
        channels, height, width, batch: of the latents; slots that no latent fills are fed zeros, as in the reference.

    Raises:
        KeyError: a slot names a latent that is not in ``latents``.
    """
    shape = (batch, channels, height, width)
    empty = torch.zeros(shape)
    groups = []
    for (kernel, _, tail), members in groupby(slots, key=lambda slot: (slot.kernel, slot.side, slot.tail)):
        chosen = list(members)
        frames = [empty if slot.latent is None else latents[slot.latent].float().expand(shape) for slot in chosen]
        pool = {"ta": _APPENDED, "tc": (len(chosen), 1, 1)}.get(tail, (1, 1, 1))
        groups.append(ContextGroup(kernel, torch.stack(frames, dim=2), tuple(slot.index for slot in chosen), pool))
    return tuple(groups)
