"""RoPE in place turns as diffusers' does, bit for bit."""

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb

from model.transformer.attention import turned


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("head_dim", [6, 12, 64, 128])
def test_the_first_tokens_turn_as_in_diffusers_and_the_others_stay(head_dim: int, dtype: torch.dtype) -> None:
    source = torch.Generator().manual_seed(head_dim)
    heads = torch.randn(2, 11, 3, head_dim, generator=source).to(dtype)
    angles = torch.randn(7, head_dim // 2, generator=source)
    phases = (angles.cos().repeat_interleave(2, 1) * 0.9, angles.sin().repeat_interleave(2, 1) * 0.9)
    expected = torch.cat([apply_rotary_emb(heads[:, :7], phases, sequence_dim=1), heads[:, 7:]], dim=1)
    assert turned(heads.clone().requires_grad_(), phases).equal(expected)
    with torch.no_grad():
        changed = turned(heads, phases)
    assert changed.equal(expected) and changed.data_ptr() == heads.data_ptr()
