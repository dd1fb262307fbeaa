"""Blocks whose frozen weights wait on the host and are on the card while they work, forwards and backwards.

Diffusers' offloading exchanges the data of a module's parameters, which autograd still refers to when it comes back;
here each use of a block gets copies of its own, which autograd keeps as long as it needs them: with checkpointing,
until the block's backward pass is done.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from model.transformer import PackedTransformer

from .lora import LoraLinear

Weights = dict[str, torch.Tensor]


class SwappedBlock(nn.Module):
    """Takes the place of ``block``. What is learnt of it lies on the device, all else on the host.

    Moving a model that it is part of moves only what is learnt.
    """

    def __init__(self, block: nn.Module, fetch: Callable[[], Weights]) -> None:
        super().__init__()
        self.block = block
        self._fetch = fetch

    def forward(self, *args: Any) -> Any:
        return functional_call(self.block, self._fetch(), args)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "SwappedBlock":
        for module in self.block.modules():
            if isinstance(module, LoraLinear):
                module._apply(fn, recurse=False)
        return self


class Ferry:
    """Copies weights of blocks to ``device``; on a card the next block's while the one before works."""

    def __init__(self, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self._blocks, self._device = blocks, device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._coming: dict[int, tuple[Weights, torch.cuda.Event]] = {}
        self._last = -1
        for block in blocks if self._stream else ():
            for weight in block.parameters():
                if not weight.requires_grad:
                    weight.data = weight.data.pin_memory()

    def fetch(self, index: int) -> Weights:
        """The frozen weights of a block by name, on the device."""
        if self._stream is None:
            return self._copies(index)
        weights, ready = self._coming.get(index) or self._send(index)
        step = 1 if index > self._last else -1  # backwards the blocks come in reverse
        self._last = index
        self._coming = {index + step: self._send(index + step)} if 0 <= index + step < len(self._blocks) else {}
        here = torch.cuda.current_stream(self._device)
        here.wait_event(ready)
        for weight in weights.values():
            weight.record_stream(here)
        return weights

    def _send(self, index: int) -> tuple[Weights, torch.cuda.Event]:
        assert self._stream is not None
        with torch.cuda.stream(self._stream):
            return self._copies(index), self._stream.record_event()

    def _copies(self, index: int) -> Weights:
        """Of those that are there now: layers that were worked out ahead of a section's steps are absent from it."""
        named = self._blocks[index].named_parameters()
        return {name: weight.to(self._device, non_blocking=True) for name, weight in named if not weight.requires_grad}


def swap_blocks(transformer: PackedTransformer, count: int, device: torch.device) -> None:
    """Have the last ``count`` blocks of ``transformer``, which lies on the host, wait there for their turn."""
    stacks: list[tuple[Any, int]] = [
        (stack, index)
        for stack in (transformer.transformer_blocks, transformer.single_transformer_blocks)
        for index in range(len(stack))
    ]
    chosen = stacks[len(stacks) - count :]
    ferry = Ferry([stack[index] for stack, index in chosen], device)
    for place, (stack, index) in enumerate(chosen):
        stack[index] = SwappedBlock(stack[index], lambda place=place: ferry.fetch(place))  # type: ignore[misc]
