"""What Helios' transformer is told about a section beside the noise."""

from dataclasses import dataclass, replace

import torch

from model.transformer.inputs import ContextGroup


@dataclass(frozen=True, eq=False)
class HeliosInputs:
    """A section as the transformer sees it at every step.

    Attributes:
        text: UMT5's embeddings [1, tokens, dim]; those of the padding are zeros, and attended to like all others.
        indices: RoPE time index of each generated latent frame.
        context: groups in time order, at the size of the whole picture whatever that of the window.
    """

    text: torch.Tensor
    indices: tuple[float, ...]
    context: tuple[ContextGroup, ...]

    def told(self, text: torch.Tensor) -> "HeliosInputs":
        """The same section with another prompt, brought to where this one's is."""
        return replace(self, text=text.to(self.text))

    def paced(self, factor: float) -> "HeliosInputs":
        """The same section with all time indices multiplied by ``factor``: see ``model.pace``."""
        if factor == 1:
            return self
        groups = (replace(group, indices=tuple(factor * i for i in group.indices)) for group in self.context)
        return replace(self, indices=tuple(factor * i for i in self.indices), context=tuple(groups))

    def on(self, device: torch.device | str, dtype: torch.dtype) -> "HeliosInputs":
        """The same on ``device``, embeddings and latents as ``dtype``."""
        groups = tuple(replace(group, latents=group.latents.to(device, dtype)) for group in self.context)
        return replace(self, text=self.text.to(device, dtype), context=groups)
