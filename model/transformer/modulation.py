"""AdaLN modulations worked out ahead of the steps.

A quarter of the 13B model's weights are the linear layers that turn the embedding of timestep, guidance and pooled
text into each block's shifts, scales and gates. They look at no image token, so all steps of a section can be served
by one pass over them. The pass runs each layer at the batch size of the step: the bits don't change.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.normalization import AdaLayerNormContinuous, AdaLayerNormZero, AdaLayerNormZeroSingle
from torch import nn

_NORMS = (AdaLayerNormZero, AdaLayerNormZeroSingle, AdaLayerNormContinuous)


def modulation_norms(transformer: nn.Module) -> list[Any]:
    """The norms of ``transformer`` whose ``linear`` is a modulation layer, in the order of its modules."""
    return [module for module in transformer.modules() if isinstance(module, _NORMS)]


class _Given(nn.Module):
    """Takes a modulation layer's place and gives what was worked out before."""

    value: torch.Tensor | None = None

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        assert self.value is not None
        return self.value


class Modulations:
    """The modulation layers of a transformer, and how their known outputs take their place during a step.

    Whole modules are exchanged, so that a LoRA on a modulation layer is part of what was worked out, and offloading
    hooks that move a block's weights find the layers absent. Outside ``absent`` the transformer is as it was.
    """

    def __init__(self, transformer: nn.Module) -> None:
        self.norms = modulation_norms(transformer)
        self._stand_ins = [_Given() for _ in self.norms]
        self._absent: list[nn.Module] | None = None

    @property
    def layers(self) -> list[nn.Module]:
        """The layers themselves, in place or absent."""
        return [norm.linear for norm in self.norms] if self._absent is None else self._absent

    @torch.no_grad()
    def ahead(self, embeddings: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
        """For each of ``embeddings`` [batch, dim], the output of every layer.

        Layers that lie on another device are brought over one at a time.
        """
        outputs: list[list[torch.Tensor]] = [[] for _ in embeddings]
        for norm, layer in zip(self.norms, self.layers, strict=True):
            with brought_to(layer, embeddings[0].device):
                for output, embedding in zip(outputs, embeddings, strict=True):
                    output.append(layer(norm.silu(embedding)))
        return [tuple(output) for output in outputs]

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Inside the block, which may be entered within itself, the transformer has no modulation layers."""
        if self._absent is not None:
            yield
            return
        self._absent = self.layers
        try:
            for norm, stand_in in zip(self.norms, self._stand_ins, strict=True):
                norm.linear = stand_in
            yield
        finally:
            for norm, layer in zip(self.norms, self._absent, strict=True):
                norm.linear = layer
            self._absent = None

    @contextmanager
    def given(self, values: Sequence[torch.Tensor]) -> Iterator[None]:
        """Inside the block every modulation layer gives its entry of ``values``."""
        with self.absent():
            for stand_in, value in zip(self._stand_ins, values, strict=True):
                stand_in.value = value
            yield


@contextmanager
def brought_to(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the block the weights of ``module`` are on ``device``; copies are dropped after it, nothing moves back."""
    places: list[dict[str, Any]] = [held for part in module.modules() for held in (part._parameters, part._buffers)]
    elsewhere = [
        (held, name, weight)
        for held in places
        for name, weight in held.items()
        if weight is not None and weight.device not in (device, torch.device("meta"))
    ]
    try:
        for held, name, weight in elsewhere:
            copy = weight.detach().to(device, non_blocking=True)
            held[name] = nn.Parameter(copy, requires_grad=False) if isinstance(weight, nn.Parameter) else copy
        yield
    finally:
        for held, name, weight in elsewhere:
            held[name] = weight
