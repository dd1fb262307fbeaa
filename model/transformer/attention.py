"""Attention of the packed transformer's blocks: diffusers' bits with fewer copies.

Where nothing is learnt, work is done in place. On a CPU, memory that was not there before costs more than what is
computed in it; on a GPU, kernels that are not started cost nothing.
"""

from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoAttnProcessor2_0

Phases = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines [tokens, head dim] of RoPE."""


def turned(heads: torch.Tensor, phases: Phases) -> torch.Tensor:
    """RoPE on the first of [batch, tokens, heads, head dim], those that there are phases for: ``heads``, changed, or a
    copy where gradients are wanted."""
    cosines, sines = phases
    count = cosines.shape[0]
    first = heads[:, :count]
    if torch.is_grad_enabled():
        made = apply_rotary_emb(first, phases, sequence_dim=1)
        return torch.cat([made, heads[:, count:]], dim=1)
    wide = first.float()  # the very same where that is what they are
    even, odd = wide.unflatten(-1, (-1, 2)).unbind(-1)
    across = torch.stack((odd, even), dim=-1).flatten(-2)
    signed = sines.clone()
    signed[:, ::2].neg_()
    wide.mul_(cosines[:, None]).add_(across.mul_(signed[:, None]))
    if heads.dtype != wide.dtype:
        first.copy_(wide)
    return heads


def heads_of(attn: Any, layer: Any, tokens: torch.Tensor, norm: Any = None) -> torch.Tensor:
    """``tokens`` through a layer, as heads [batch, tokens, heads, head dim], normed."""
    heads: torch.Tensor = layer(tokens).unflatten(2, (attn.heads, -1))
    return heads if norm is None else norm(heads)


def attend(
    attn: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """What those of ``query`` see [batch, tokens, dim], by the backend that ``attn`` was given."""
    backend = attn.processor._attention_backend
    found: torch.Tensor = dispatch_attention_fn(
        query, key, value, attn_mask=mask, dropout_p=0.0, is_causal=False, backend=backend
    )
    return found.flatten(2, 3).to(query.dtype)


class SingleAttention(HunyuanVideoAttnProcessor2_0):  # type: ignore[misc]
    """Of a single-stream block."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: None,
        attention_mask: torch.Tensor | None,
        image_rotary_emb: Phases,
        wanted: slice,
    ) -> torch.Tensor:
        """What the ``wanted`` tokens see of all [batch, wanted, dim]."""
        cosines, sines = image_rotary_emb
        query = heads_of(attn, attn.to_q, hidden_states[:, wanted], attn.norm_q)
        query = turned(query, (cosines[wanted], sines[wanted]))
        key = turned(heads_of(attn, attn.to_k, hidden_states, attn.norm_k), image_rotary_emb)
        return attend(attn, query, key, heads_of(attn, attn.to_v, hidden_states), attention_mask)


class DualAttention(HunyuanVideoAttnProcessor2_0):  # type: ignore[misc]
    """Of a dual-stream block, both of whose streams see each other."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        image_rotary_emb: Phases,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both streams [batch, tokens, dim] again."""
        own, text = hidden_states, encoder_hidden_states
        query = turned(heads_of(attn, attn.to_q, own, attn.norm_q), image_rotary_emb)
        key = turned(heads_of(attn, attn.to_k, own, attn.norm_k), image_rotary_emb)
        value = heads_of(attn, attn.to_v, own)
        query = torch.cat([query, heads_of(attn, attn.add_q_proj, text, attn.norm_added_q)], dim=1)
        key = torch.cat([key, heads_of(attn, attn.add_k_proj, text, attn.norm_added_k)], dim=1)
        value = torch.cat([value, heads_of(attn, attn.add_v_proj, text)], dim=1)
        found = attend(attn, query, key, value, attention_mask)
        count = own.shape[1]
        return attn.to_out[1](attn.to_out[0](found[:, :count])), attn.to_add_out(found[:, count:])
