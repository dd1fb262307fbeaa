"""A LoRA that learns: low-rank changes beside layers of a transformer's blocks, in fp32 whatever those are in."""

import math
import re
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from model.transformer import PackedTransformer

from .config import TARGETS, LoraShape


class LoraLinear(nn.Module):
    """``base`` and, added to what it gives, ``up`` [out, rank] times ``down`` [rank, in] times ``scale``.

    Both are rounded to the input's dtype where they are used, as they are when the finished LoRA renders.
    """

    def __init__(self, base: nn.Linear, rank: int, scale: float, source: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        down = torch.empty(rank, base.in_features).uniform_(-1, 1, generator=source) / math.sqrt(base.in_features)
        device = base.weight.device
        self.down = nn.Parameter(down.to(device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        narrow = nn.functional.linear(input, self.down.to(input.dtype))
        change: torch.Tensor = nn.functional.linear(narrow, self.up.to(input.dtype)) * self.scale
        return self.base(input) + change


def add_lora(transformer: PackedTransformer, shape: LoraShape, seed: int) -> dict[str, LoraLinear]:
    """Give the layers that ``shape`` names a change that is zero as yet; the layers by name."""
    source = torch.Generator().manual_seed(seed)
    pattern = re.compile("|".join(f"(?:{TARGETS[name]})" for name in shape.targets))
    found: dict[str, LoraLinear] = {}
    for block_name, block in _blocks(transformer):
        for name, module in list(block.named_modules()):
            if isinstance(module, nn.Linear) and pattern.fullmatch(name):
                parent, _, child = name.rpartition(".")
                layer = LoraLinear(module, shape.rank, shape.scale, source)
                setattr(block.get_submodule(parent), child, layer)
                found[f"{block_name}.{name}"] = layer
    return found


def trained(layers: dict[str, LoraLinear]) -> dict[str, nn.Parameter]:
    """What is learnt, by name."""
    return {f"{name}.{half}": getattr(layer, half) for name, layer in layers.items() for half in ("down", "up")}


def _blocks(transformer: PackedTransformer) -> Iterator[tuple[str, nn.Module]]:
    for stack in ("transformer_blocks", "single_transformer_blocks"):
        blocks: Sequence[nn.Module] = getattr(transformer, stack)
        yield from ((f"{stack}.{index}", block) for index, block in enumerate(blocks))
