"""A single-stream block that copies less than diffusers', and can leave out what nobody reads of it."""

from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoSingleTransformerBlock

from .attention import Phases


class SingleBlock(HunyuanVideoSingleTransformerBlock):  # type: ignore[misc]
    """Diffusers' block with another ``forward``, which gives the same bits.

    Of the last one of a transformer the window alone is read: every token is still looked at, but only the window's
    look, pass through the feed-forward layer and are projected.
    """

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        attention_mask: torch.Tensor | None,
        image_rotary_emb: Phases,
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
        count = hidden_states.shape[1]
        tokens = torch.cat([hidden_states, encoder_hidden_states], dim=1)
        wanted = slice(count - window, count) if window else slice(0, tokens.shape[1])
        normed, gate = self._normed(tokens, temb)
        seen = self.attn(normed, attention_mask=attention_mask, image_rotary_emb=image_rotary_emb, wanted=wanted)
        normed, own = normed[:, wanted], tokens[:, wanted]
        if torch.is_grad_enabled():
            fed = self.act_mlp(self.proj_mlp(normed))
            made = gate.unsqueeze(1) * self.proj_out(torch.cat([seen, fed], dim=2)) + own
        else:  # in place: on a CPU, memory that was not there before costs more than what is computed in it
            fed = torch.ops.aten.gelu_(self.proj_mlp(normed), approximate=self.act_mlp.approximate)
            made = self.proj_out(torch.cat([seen, fed], dim=2)).mul_(gate.unsqueeze(1)).add_(own)
        if window:
            return torch.cat([hidden_states[:, : wanted.start], made], dim=1), encoder_hidden_states
        return made[:, :count], made[:, count:]

    def _normed(self, tokens: torch.Tensor, temb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens, normed and modulated, and the gate [batch, dim]."""
        norm: Any = self.norm
        if torch.is_grad_enabled():
            found: tuple[torch.Tensor, torch.Tensor] = norm(tokens, emb=temb)
            return found
        shift, scale, gate = norm.linear(norm.silu(temb)).chunk(3, dim=1)
        return norm.norm(tokens).mul_(1 + scale[:, None]).add_(shift[:, None]), gate


TransformerBlockRegistry.register(
    SingleBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1),
)
