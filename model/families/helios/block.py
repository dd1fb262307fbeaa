"""A block of Helios' transformer, doing once a section what diffusers' class does at every step.

Same weights, same operations on the same shapes where they decide bits, so the results are diffusers'. Left out are
repetitions: history has timestep 0 and the window the step's, so two rows of modulations serve all tokens; the text's
keys and values stay the same over the steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_helios import HeliosTransformerBlock

Pair = tuple[torch.Tensor, torch.Tensor]
Phases = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines [tokens, 1, head dim / 2] of RoPE, in fp32."""


@dataclass(frozen=True, eq=False)
class Stream:
    """What all blocks see of a step.

    Attributes:
        history: tokens of it, which stand before the window's.
        modulation: for history and window, the six vectors [2, 6, dim] that a block adds its own table to.
        phases: of all tokens.
    """

    history: int
    modulation: torch.Tensor
    phases: Phases


class HeliosBlock(HeliosTransformerBlock):
    """Diffusers' block with another ``forward``."""

    def forward(self, tokens: torch.Tensor, stream: Stream, text: torch.Tensor, known: Pair | None) -> Any:
        """Through the block.

        Args:
            tokens: history and window [1, tokens, dim].
            stream: of the step.
            text: embedded [1, text tokens, dim].
            known: the text's keys and values that an earlier step has worked out.

        Returns:
            Tokens, and the text's keys and values.
        """
        rows = self.scale_shift_table + stream.modulation.float()
        shift, scale, gate, ff_shift, ff_scale, ff_gate = rows[:, :, None].unbind(1)
        history = stream.history

        normed = _modulated(self.norm1(tokens.float()), history, scale, shift).type_as(tokens)
        tokens = _gated(tokens, self._attend(normed, stream), history, gate)

        known = known or self._text_pair(text)
        own = history if self.guidance_cross_attn else 0
        window = tokens[:, own:]
        tokens[:, own:] += self._read(self.norm2(window.float()).type_as(tokens), known)

        normed = _modulated(self.norm3(tokens.float()), history, ff_scale, ff_shift).type_as(tokens)
        return _gated(tokens, self.ffn(normed), history, ff_gate), known

    def _attend(self, tokens: torch.Tensor, stream: Stream) -> torch.Tensor:
        """Self-attention of all tokens."""
        attn = self.attn1
        query, key = attn.norm_q(attn.to_q(tokens)), attn.norm_k(attn.to_k(tokens))
        query, key, value = (each.unflatten(2, (attn.heads, -1)) for each in (query, key, attn.to_v(tokens)))
        query, key = rotated(query, stream.phases), rotated(key, stream.phases)
        if attn.is_amplify_history and stream.history:
            scale = 1.0 + torch.sigmoid(attn.history_key_scale) * (attn.max_scale - 1.0)
            key[:, : stream.history] *= scale.view(1, 1, -1, 1)
        return _out(attn, query, key, value)

    def _text_pair(self, text: torch.Tensor) -> Pair:
        attn = self.attn2
        key, value = attn.norm_k(attn.to_k(text)), attn.to_v(text)
        return key.unflatten(2, (attn.heads, -1)), value.unflatten(2, (attn.heads, -1))

    def _read(self, tokens: torch.Tensor, known: Pair) -> torch.Tensor:
        """Cross-attention to the text."""
        attn = self.attn2
        return _out(attn, attn.norm_q(attn.to_q(tokens)).unflatten(2, (attn.heads, -1)), *known)


def rotated(heads: torch.Tensor, phases: Phases) -> torch.Tensor:
    """RoPE on neighbouring pairs of [1, tokens, heads, head dim]."""
    cos, sin = phases
    first, second = heads.unflatten(-1, (-1, 2)).unbind(-1)
    result = torch.empty_like(heads)
    pairs = result.unflatten(-1, (-1, 2))
    pairs[..., 0] = first * cos - second * sin
    pairs[..., 1] = first * sin + second * cos
    return result


def _modulated(normed: torch.Tensor, history: int, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """``normed`` in place, its first ``history`` tokens by the first rows of ``scale`` and ``shift`` [2, 1, dim]."""
    for part, row in ((normed[:, :history], 0), (normed[:, history:], 1)):
        part.mul_(1 + scale[row]).add_(shift[row])
    return normed


def _gated(tokens: torch.Tensor, change: torch.Tensor, history: int, gate: torch.Tensor) -> torch.Tensor:
    """``tokens`` with ``change``, weighed by the rows of ``gate`` [2, 1, dim], added in fp32."""
    wide = change.float()
    for part, row in ((wide[:, :history], 0), (wide[:, history:], 1)):
        part.mul_(gate[row])
    return wide.add_(tokens.float()).type_as(tokens)


def _out(attn: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    backend = attn.processor._attention_backend
    found: torch.Tensor = dispatch_attention_fn(query, key, value, dropout_p=0.0, is_causal=False, backend=backend)
    last: Callable[[torch.Tensor], torch.Tensor] = attn.to_out[0]
    return last(found.flatten(2, 3).type_as(query))
