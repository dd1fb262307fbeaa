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


@torch.no_grad()
def modulate(norms: Sequence[Any], embeddings: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, ...]]:
    """For each of ``embeddings`` [batch, dim], the output of every norm's modulation layer.

    Layers that lie on another device are brought over one at a time.
    """
    outputs: list[list[torch.Tensor]] = [[] for _ in embeddings]
    for norm in norms:
        with brought_to(norm.linear, embeddings[0].device):
            for output, embedding in zip(outputs, embeddings, strict=True):
                output.append(norm.linear(norm.silu(embedding)))
    return [tuple(output) for output in outputs]


class _Given(nn.Module):
    """Takes a modulation layer's place and gives what was worked out before."""

    value: torch.Tensor | None = None

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        assert self.value is not None
        return self.value


class Modulations:
    """The modulation layers of a transformer, and how their known outputs take their place during a step.

    Whole modules are exchanged, so that a LoRA on a modulation layer is part of what was worked out, and offloading
    hooks that move a block's weights find the layers absent. Outside ``given`` the transformer is as it was.
    """

    def __init__(self, transformer: nn.Module) -> None:
        self.norms = modulation_norms(transformer)
        self._stand_ins = [_Given() for _ in self.norms]

    @contextmanager
    def given(self, values: Sequence[torch.Tensor]) -> Iterator[None]:
        """Inside the block every modulation layer gives its entry of ``values``."""
        layers = [norm.linear for norm in self.norms]
        try:
            for norm, stand_in, value in zip(self.norms, self._stand_ins, values, strict=True):
                stand_in.value = value
                norm.linear = stand_in
            yield
        finally:
            for norm, layer in zip(self.norms, layers, strict=True):
                norm.linear = layer

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Inside the block the transformer has no modulation layers."""
        with self.given([torch.empty(0)] * len(self.norms)):
            yield


@contextmanager
def brought_to(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the block the weights of ``module`` are on ``device``; copies are dropped after it, nothing moves back."""
    elsewhere = [
        (weight, weight.data)
        for weight in (*module.parameters(), *module.buffers())
        if weight.device not in (device, torch.device("meta"))
    ]
    try:
        for weight, data in elsewhere:
            weight.data = data.to(device, non_blocking=True)
        yield
    finally:
        for weight, data in elsewhere:
            weight.data = data
