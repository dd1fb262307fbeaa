"""Helios' transformer: diffusers' weights and config, with a section's constant work done once."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import HeliosTransformer3DModel
from diffusers.configuration_utils import register_to_config
from torch import nn

from farm.errors import CheckpointError
from model.plan.layout import Kernel
from model.transformer.fp8 import use_fp8
from model.transformer.inputs import ContextGroup
from model.transformer.memo import SectionMemo
from model.transformer.modulation import brought_to
from model.transformer.patchify import average_pool, pad_to
from model.transformer.placing import Placeable

from .block import HeliosBlock, Pair, Phases, Stream
from .inputs import HeliosInputs

PATCHES = {Kernel(4, 8, 8): "patch_long", Kernel(2, 4, 4): "patch_mid", Kernel(1, 2, 2): "patch_short"}
"""Modules that patchify history, in the order in which their tokens stand before the window's."""

Times = tuple[torch.Tensor, torch.Tensor]
"""Of a timestep: its embedding [1, dim] and six modulations [1, 6, dim]."""


class HeliosTransformer(Placeable, HeliosTransformer3DModel):
    """Gives diffusers' bits. Weights, config and everything that diffusers does with a model are its superclass's.

    The packed sequence is [long, mid, short history, window], that of FramePack F1's layout.
    """

    _repeated_blocks = ["HeliosBlock"]
    constants = ("condition_embedder", *PATCHES.values())
    rope: Any

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, ...] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        qk_norm: str | None = "rms_norm_across_heads",
        eps: float = 1e-6,
        added_kv_proj_dim: int | None = None,
        rope_dim: tuple[int, ...] = (44, 42, 42),
        rope_theta: float = 10000.0,
        guidance_cross_attn: bool = True,
        zero_history_timestep: bool = True,
        has_multi_term_memory_patch: bool = True,
        is_amplify_history: bool = False,
        history_scale_mode: str = "per_head",
    ) -> None:
        if not (zero_history_timestep and has_multi_term_memory_patch):
            raise CheckpointError("this Helios has no history of its own timestep and patches; no such one is known.")
        super().__init__(
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=0,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            added_kv_proj_dim=added_kv_proj_dim,
            rope_dim=rope_dim,
            rope_theta=rope_theta,
            guidance_cross_attn=guidance_cross_attn,
            zero_history_timestep=zero_history_timestep,
            has_multi_term_memory_patch=has_multi_term_memory_patch,
            is_amplify_history=is_amplify_history,
            history_scale_mode=history_scale_mode,
        )
        self.register_to_config(num_layers=num_layers)
        self.blocks = nn.ModuleList(
            HeliosBlock(
                num_attention_heads * attention_head_dim,
                ffn_dim,
                num_attention_heads,
                qk_norm or "",
                cross_attn_norm,
                eps,
                added_kv_proj_dim,
                guidance_cross_attn=guidance_cross_attn,
                is_amplify_history=is_amplify_history,
                history_scale_mode=history_scale_mode,
            )
            for _ in range(num_layers)
        )

    def use_fp8(self) -> None:
        """Keep the weights of attention and feed-forward layers, 14.0 of 14.3 billion, as 8-bit floats."""
        use_fp8(list(self.blocks))

    def keep_phases_exact(self) -> None:
        """Have RoPE's frequencies in fp32, whatever the weights were cast to."""
        self.rope = type(self.rope)(rope_dim=self.config.rope_dim, theta=self.config.rope_theta)

    def forward(
        self, hidden_states: torch.Tensor, timestep: float, inputs: HeliosInputs, memo: SectionMemo | None = None
    ) -> torch.Tensor:
        """The flow predicted for a noisy window.

        Args:
            hidden_states: noisy latents [1, channels, frames, height, width], in a pyramid's stage smaller than the
                context.
            timestep: as the family's schedule has it.
            inputs: the rest of the section, on the same device.
            memo: of the section: constant work is taken from it, or done once and left there.

        Returns:
            [1, channels, frames, height, width].
        """
        memo = memo or SectionMemo()
        patches = self.patch_embedding(hidden_states)
        frames, rows, columns = patches.shape[2:]
        window = patches.flatten(2).transpose(1, 2)
        history, before = memo.once("history", (inputs.context, inputs.indices), lambda: self._history(inputs))
        phases = memo.once(
            f"phases {rows}x{columns}",
            (inputs.context, inputs.indices),
            lambda: joined(before, halves(self._grid(inputs.indices, rows, columns, inputs.text.device))),
        )
        text = memo.once("text", (inputs.text,), lambda: self._text(inputs.text))
        pairs: list[Pair] = memo.once("pairs", (inputs.text,), list)
        times = memo.once("times", (), lambda: self._times((0.0, *memo.timesteps), inputs.text))
        if timestep not in times:
            times |= self._times((timestep,), inputs.text)
        embedding, modulation = times[timestep]

        tokens = torch.cat([history, window], dim=1)
        stream = Stream(history.shape[1], torch.cat([times[0.0][1], modulation]), phases)
        for index, block in enumerate(self.blocks):
            tokens, pair = block(tokens, stream, text, pairs[index] if index < len(pairs) else None)
            if index == len(pairs):
                pairs.append(pair)
        tokens = self.norm_out(tokens, embedding[:, None], window.shape[1])
        return self._unpatchified(self.proj_out(tokens), frames, rows, columns)

    def _unpatchified(self, tokens: torch.Tensor, frames: int, rows: int, columns: int) -> torch.Tensor:
        p_t, p_h, p_w = self.config.patch_size
        tokens = tokens.reshape(tokens.shape[0], frames, rows, columns, p_t, p_h, p_w, -1)
        flow: torch.Tensor = tokens.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return flow

    def _history(self, inputs: HeliosInputs) -> tuple[torch.Tensor, Phases]:
        """Tokens [1, tokens, dim] and phases of the context, the largest kernel's first."""
        tokens, phases = [], []
        for kernel, name in PATCHES.items():
            groups = [group for group in inputs.context if group.kernel == kernel]
            size = (kernel.t, kernel.h, kernel.w)
            patch = getattr(self, name)
            latents = pad_to(torch.cat([group.latents for group in groups], dim=2), size)
            with brought_to(patch, latents.device):
                tokens.append(patch(latents).flatten(2).transpose(1, 2))
            phases.append(self._history_phases(groups, size))
        return torch.cat(tokens, dim=1), joined(*phases)

    def _history_phases(self, groups: Sequence[ContextGroup], size: tuple[int, int, int]) -> Phases:
        """Averaged over what each token covers, as the latents are."""
        height, width = groups[0].latents.shape[-2:]
        p_t, p_h, p_w = self.config.patch_size
        indices = tuple(index for group in groups for index in group.indices)
        grid = self._grid(indices, height // p_h, width // p_w, groups[0].latents.device)
        return halves(average_pool(grid, (size[0] // p_t, size[1] // p_h, size[2] // p_w)))

    def _grid(self, indices: Sequence[float], rows: int, columns: int, device: torch.device) -> torch.Tensor:
        """Cosines, then sines [1, 2 * head dim, frames, rows, columns], each number twice."""
        grid: torch.Tensor = self.rope(torch.tensor([list(indices)]), rows, columns, device)
        return grid

    def _text(self, text: torch.Tensor) -> torch.Tensor:
        with brought_to(self.condition_embedder, text.device):
            embedded: torch.Tensor = self.condition_embedder.text_embedder(text)
        return embedded

    def _times(self, timesteps: Sequence[float], like: torch.Tensor) -> dict[float, Times]:
        """Embedding and modulations of each timestep."""
        found: dict[float, Times] = {}
        with brought_to(self.condition_embedder, like.device):
            for timestep in timesteps:
                told = torch.tensor([timestep], device=like.device)
                embedding, projected, _ = self.condition_embedder(told, like, is_return_encoder_hidden_states=False)
                found[timestep] = embedding, projected.unflatten(-1, (6, -1))
        return found


def halves(grid: torch.Tensor) -> Phases:
    """Phases of a grid of ``HeliosTransformer._grid``, each number once."""
    cos, sin = grid.flatten(2)[0].T.chunk(2, dim=-1)
    return cos[:, None, 0::2].contiguous(), sin[:, None, 1::2].contiguous()


def joined(*phases: Phases) -> Phases:
    """Those of several stretches of tokens."""
    return torch.cat([cos for cos, _ in phases]), torch.cat([sin for _, sin in phases])
