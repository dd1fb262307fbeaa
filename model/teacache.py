"""TeaCache (arXiv 2411.19108) as FramePack uses it: skip the blocks in steps where their input has hardly changed.

The signal is the first block's modulated input over the whole packed sequence. Its relative L1 change since the last
step, mapped by a polynomial fitted per model, is summed up; while the sum is below the threshold, the blocks are
replaced by the residual of the last step that ran them. A higher threshold skips more and costs quality.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

IDENTITY = (1.0, 0.0)
"""Polynomial, highest power first, for models without a fit: the plain relative change is summed up."""


@dataclass
class _Branch:
    """What one CFG branch remembers between steps."""

    step: int = 0
    change: float = 0.0
    signal: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    computed: list[bool] = field(default_factory=list)


class TeaCache(nn.Module):
    """Stands in for all blocks of a transformer during one section; one state per CFG branch.

    Args:
        dual_blocks, single_blocks: of the transformer.
        steps: denoising steps of the section; the first and the last always run the blocks.
        threshold: summed change from which the blocks run again.
        polynomial: coefficients, highest power first.
    """

    def __init__(
        self,
        dual_blocks: nn.ModuleList,
        single_blocks: nn.ModuleList,
        steps: int,
        threshold: float,
        polynomial: Sequence[float],
    ) -> None:
        super().__init__()
        self.dual_blocks, self.single_blocks = dual_blocks, single_blocks
        self.steps, self.threshold, self.polynomial = steps, threshold, tuple(polynomial)
        self.branches: dict[str, _Branch] = {}
        self.branch = ""

    def forward(
        self,
        hidden: torch.Tensor,
        text: torch.Tensor,
        temb: torch.Tensor,
        mask: torch.Tensor | None,
        rope: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and text tokens after all blocks; a skipped step leaves the text tokens, which no one reads then."""
        state = self.branches.setdefault(self.branch, _Branch())
        first: Any = self.dual_blocks[0]
        signal = first.norm1(hidden, emb=temb)[0]
        compute = self._decide(state, signal)
        state.signal = signal
        state.step += 1
        state.computed.append(compute)
        if not compute and state.residual is not None:
            return hidden + state.residual, text
        before = hidden
        for block in (*self.dual_blocks, *self.single_blocks):
            hidden, text = block(hidden, text, temb, mask, rope)
        state.residual = hidden - before
        return hidden, text

    def _decide(self, state: _Branch, signal: torch.Tensor) -> bool:
        if state.signal is None or state.step in (0, self.steps - 1):
            state.change = 0.0
            return True
        relative = float((signal - state.signal).abs().mean() / state.signal.abs().mean())
        change = 0.0
        for coefficient in self.polynomial:
            change = change * relative + coefficient
        state.change += change
        if state.change < self.threshold:
            return False
        state.change = 0.0
        return True


@contextmanager
def tea_cache(
    transformer: nn.Module, steps: int, threshold: float, polynomial: Sequence[float] = IDENTITY
) -> Iterator[TeaCache]:
    """Run ``transformer`` with a fresh TeaCache inside the block; set ``.branch`` before each call."""
    dual, single = transformer.transformer_blocks, transformer.single_transformer_blocks
    assert isinstance(dual, nn.ModuleList) and isinstance(single, nn.ModuleList)
    cache = TeaCache(dual, single, steps, threshold, polynomial)
    transformer.transformer_blocks, transformer.single_transformer_blocks = nn.ModuleList([cache]), nn.ModuleList()
    try:
        yield cache
    finally:
        transformer.transformer_blocks, transformer.single_transformer_blocks = dual, single
