"""A single-stream block that can leave out what nobody reads of it."""

from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoSingleTransformerBlock


class SingleBlock(HunyuanVideoSingleTransformerBlock):
    """Diffusers' block, and the last of a transformer, whose output is read for the window alone: every token is still
    looked at, but only the window's look, pass through the feed-forward layer and are projected."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        window: int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Through the block.

        Args:
            hidden_states: context and window [batch, tokens, dim].
            encoder_hidden_states: image and text [batch, tokens, dim].
            temb: embedding of the step [batch, dim].
            attention_mask: [batch, 1, 1, tokens] (bool): those that are attended to; None: all.
            image_rotary_emb: cosines and sines [tokens, head dim] of context and window.
            window: tokens at the end of ``hidden_states`` that are wanted, the others come back as they were; 0: all.

        Returns:
            Both streams, in the same shapes.
        """
        if not window or image_rotary_emb is None:
            found: tuple[torch.Tensor, torch.Tensor] = super().forward(
                hidden_states, encoder_hidden_states, temb, attention_mask, image_rotary_emb
            )
            return found
        count = hidden_states.shape[1]
        wanted = slice(count - window, count)
        normed, gate = self.norm(torch.cat([hidden_states, encoder_hidden_states], dim=1), emb=temb)
        attended = self._attend(normed, wanted, attention_mask, image_rotary_emb)
        fed = self.act_mlp(self.proj_mlp(normed[:, wanted]))
        change = gate.unsqueeze(1) * self.proj_out(torch.cat([attended, fed], dim=2))
        made = change + hidden_states[:, wanted]
        return torch.cat([hidden_states[:, : wanted.start], made], dim=1), encoder_hidden_states

    def _attend(
        self,
        tokens: torch.Tensor,
        wanted: slice,
        mask: torch.Tensor | None,
        phases: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """What the ``wanted`` tokens see of all [batch, wanted, dim]."""
        attn: Any = self.attn
        query, key, value = (
            layer(part).unflatten(2, (attn.heads, -1))
            for layer, part in ((attn.to_q, tokens[:, wanted]), (attn.to_k, tokens), (attn.to_v, tokens))
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        cosines, sines = phases
        query = apply_rotary_emb(query, (cosines[wanted], sines[wanted]), sequence_dim=1)
        turned = apply_rotary_emb(key[:, : wanted.stop], phases, sequence_dim=1)
        key = torch.cat([turned, key[:, wanted.stop :]], dim=1)
        found: torch.Tensor = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=0.0,
            is_causal=False,
            backend=attn.processor._attention_backend,
        )
        return found.flatten(2, 3).to(query.dtype)


TransformerBlockRegistry.register(
    SingleBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1),
)
