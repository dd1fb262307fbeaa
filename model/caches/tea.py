"""TeaCache (arXiv 2411.19108) as FramePack uses it: skip the blocks in steps where their input has hardly changed.

The signal is the first block's modulated input over the whole packed sequence. Its relative L1 change since the last
step, mapped by a polynomial fitted per model, is summed up; while the sum is below the threshold, the blocks are
replaced by the residual of the last step that ran them. A higher threshold skips more and costs quality.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .base import StepCache

IDENTITY = (1.0, 0.0)
"""Polynomial, highest power first, for models without a fit: the plain relative change is summed up."""


@dataclass
class _Branch:
    """What one CFG branch remembers between steps."""

    step: int = 0
    change: float = 0.0
    signal: torch.Tensor | None = None
    residual: torch.Tensor | None = None


class TeaCache(StepCache):
    """Decides for each branch and step whether the blocks run, and keeps what they added.

    Args:
        steps: denoising steps of the section; the first and the last always run the blocks.
        threshold: summed change from which the blocks run again.
        polynomial: coefficients, highest power first.
    """

    def __init__(self, steps: int, threshold: float, polynomial: Sequence[float]) -> None:
        super().__init__()
        self._steps, self._threshold, self._polynomial = steps, threshold, tuple(polynomial)
        self._branches: dict[str, _Branch] = {}
        self._name = ""
        self._computes = True

    @contextmanager
    def branch(self, name: str) -> Iterator[None]:
        self._name = name
        with super().branch(name):
            yield

    def _ran(self, name: str) -> bool:
        return self._computes

    def residual(self, signal: torch.Tensor) -> torch.Tensor | None:
        """What the blocks added when they last ran, or None when they have to run now."""
        state = self._branches.setdefault(self._name, _Branch())
        self._computes = state.residual is None or self._decide(state, signal)
        state.signal = signal
        state.step += 1
        return None if self._computes else state.residual

    def keep(self, residual: torch.Tensor) -> None:
        """Remember what the blocks have just added."""
        self._branches[self._name].residual = residual

    def _decide(self, state: _Branch, signal: torch.Tensor) -> bool:
        if state.signal is None or state.step == self._steps - 1:
            return True
        relative = float((signal - state.signal).abs().mean() / state.signal.abs().mean())
        change = 0.0
        for coefficient in self._polynomial:
            change = change * relative + coefficient
        state.change += change
        if state.change < self._threshold:
            return False
        state.change = 0.0
        return True


class CachedBlocks(nn.Module):
    """Stands in for all blocks of a transformer.

    Args:
        cache: decides.
        blocks: dual-stream ones, then single-stream ones.
    """

    def __init__(self, cache: TeaCache, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.cache = cache
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self,
        hidden: torch.Tensor,
        text: torch.Tensor,
        temb: torch.Tensor,
        mask: torch.Tensor | None,
        rope: tuple[torch.Tensor, torch.Tensor],
        *last: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text tokens after all blocks; a skipped step leaves the text tokens, which no one reads then.
        ``last``: told to the last block alone."""
        first: Any = self.blocks[0]
        residual = self.cache.residual(first.norm1(hidden, emb=temb)[0])
        if residual is not None:
            return hidden + residual, text
        before = hidden
        for index, block in enumerate(self.blocks, 1):
            hidden, text = block(hidden, text, temb, mask, rope, *(last if index == len(self.blocks) else ()))
        self.cache.keep(hidden - before)
        return hidden, text


@contextmanager
def tea_cache(
    transformer: nn.Module, steps: int, threshold: float, polynomial: Sequence[float] = IDENTITY
) -> Iterator[TeaCache]:
    """Run ``transformer`` with a fresh TeaCache inside the block."""
    dual, single = transformer.transformer_blocks, transformer.single_transformer_blocks
    assert isinstance(dual, nn.ModuleList) and isinstance(single, nn.ModuleList)
    cache = TeaCache(steps, threshold, polynomial)
    stand_in = CachedBlocks(cache, [*dual, *single])
    transformer.transformer_blocks, transformer.single_transformer_blocks = nn.ModuleList([stand_in]), nn.ModuleList()
    try:
        yield cache
    finally:
        transformer.transformer_blocks, transformer.single_transformer_blocks = dual, single
