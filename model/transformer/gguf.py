"""Linear layers whose weights are blocks of 4 to 8 bits, as GGUF files have them; widened by diffusers at each use."""

from collections.abc import Mapping
from dataclasses import dataclass

import gguf
import torch
from diffusers.quantizers.gguf.utils import dequantize_functions
from torch import nn

READABLE = (*dequantize_functions, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32)
"""Kinds of blocks, and plain numbers, that a file may have."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """A matrix [rows, columns] as a file has it: ``data`` [rows, bytes] (uint8), each row in blocks of a ``kind``."""

    data: torch.Tensor
    kind: gguf.GGMLQuantizationType

    @property
    def shape(self) -> tuple[int, int]:
        values, size = gguf.GGML_QUANT_SIZES[self.kind]
        return self.data.shape[0], self.data.shape[1] // size * values

    def __getitem__(self, rows: slice) -> "Blocks":
        return Blocks(self.data[rows].contiguous(), self.kind)

    def roll(self, rows: int, dim: int) -> "Blocks":
        """As ``torch.roll``, along rows."""
        return Blocks(self.data.roll(rows, dim), self.kind)

    def widened(self, dtype: torch.dtype) -> torch.Tensor:
        """[rows, columns] in ``dtype``, worked out in fp32, so that nothing but ``dtype`` rounds."""
        values, size = gguf.GGML_QUANT_SIZES[self.kind]
        wide: torch.Tensor = dequantize_functions[self.kind](self.data.reshape(-1, size), values, size, torch.float32)
        return wide.reshape(self.shape).to(dtype)


class GgufLinear(nn.Linear):
    """A linear layer with weights [out, bytes] in blocks, and its bias as it was."""

    def __init__(self, layer: nn.Linear, blocks: Blocks) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.kind = blocks.kind
        self.weight = nn.Parameter(blocks.data, requires_grad=False)
        self.bias = layer.bias

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out], in the input's dtype."""
        return nn.functional.linear(input, Blocks(self.weight.detach(), self.kind).widened(input.dtype), self.bias)


def keep_blocks(model: nn.Module, weights: Mapping[str, Blocks]) -> None:
    """Exchange the layers of ``model`` whose weights are given, by the weights' names."""
    for name, blocks in weights.items():
        path = name.removesuffix(".weight")
        parent, _, child = path.rpartition(".")
        owner = model.get_submodule(parent)
        layer = getattr(owner, child)
        setattr(owner, child, GgufLinear(layer, blocks))


def may_keep(model: nn.Module) -> frozenset[str]:
    """Names of the weights that may stay in blocks: those of attention and feed-forward, not of modulation layers."""
    layers = (name for name, module in model.named_modules() if type(module) is nn.Linear)
    return frozenset(f"{name}.weight" for name in layers if "transformer_blocks." in name and "norm" not in name)
