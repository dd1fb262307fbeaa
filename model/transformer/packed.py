"""The packed transformer: diffusers' FramePack block stack with a packing of any layout in front."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel
from diffusers.configuration_utils import register_to_config
from torch import nn

from farm.errors import InputError
from model.plan.layout import Kernel

from .attention import DualAttention, Phases, SingleAttention
from .fp8 import use_fp8
from .inputs import ContextGroup, SectionInputs
from .memo import SectionMemo, Step
from .modulation import Modulations, brought_to
from .patchify import RELEASED, average_pool, begin_released, make_projections, own_kernel, pad_to
from .placing import Placeable
from .single_block import SingleBlock

MIN_SIGMA = 1e-4
"""Below it no flow towards a clean latent is computed."""


class PackedTransformer(Placeable, HunyuanVideoFramepackTransformer3DModel):
    """FramePack's transformer for any layout of the paper (arXiv 2504.12626).

    Weights, config and everything that diffusers does with a model are those of its superclass; state dicts load
    strictly both ways as long as there are no extra kernels. With the released layouts it gives the same bits.

    The packed sequence is [context, generated window], the context's groups from the largest footprint to the
    smallest and in time order within one: for the released layouts [4x, 2x, 1x, window].

    Args:
        extra_kernels: names such as ``k8`` or ``k1h4w2`` that have patchify parameters beside k1, k2 and k4.
        clean_channels: how many of the last channels its output layer predicts clean, and not the flow towards them.
            Where a token has as many values as the blocks are wide, no noise need pass through them (Li and He,
            arXiv 2511.13720). ``forward`` gives the flow of all channels.
        **config: see the superclass.
    """

    _repeated_blocks = ["HunyuanVideoTransformerBlock", "SingleBlock"]
    constants = ("clean_x_embedder", "extra_x_embedders", "image_projection", "context_embedder", "time_text_embed")
    clean_x_embedder: Any

    @register_to_config
    def __init__(
        self,
        in_channels: int = 16,
        out_channels: int = 16,
        num_attention_heads: int = 24,
        attention_head_dim: int = 128,
        num_layers: int = 20,
        num_single_layers: int = 40,
        num_refiner_layers: int = 2,
        mlp_ratio: float = 4.0,
        patch_size: int = 2,
        patch_size_t: int = 1,
        qk_norm: str = "rms_norm",
        guidance_embeds: bool = True,
        text_embed_dim: int = 4096,
        pooled_projection_dim: int = 768,
        rope_theta: float = 256.0,
        rope_axes_dim: tuple[int, ...] = (16, 56, 56),
        image_condition_type: str | None = None,
        has_image_proj: int = False,
        image_proj_dim: int = 1152,
        has_clean_x_embedder: int = False,
        extra_kernels: tuple[str, ...] = (),
        clean_channels: int = 0,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            num_layers=num_layers,
            num_single_layers=0,
            num_refiner_layers=num_refiner_layers,
            mlp_ratio=mlp_ratio,
            patch_size=patch_size,
            patch_size_t=patch_size_t,
            qk_norm=qk_norm,
            guidance_embeds=guidance_embeds,
            text_embed_dim=text_embed_dim,
            pooled_projection_dim=pooled_projection_dim,
            rope_theta=rope_theta,
            rope_axes_dim=rope_axes_dim,
            image_condition_type=image_condition_type,
            has_image_proj=has_image_proj,
            image_proj_dim=image_proj_dim,
            has_clean_x_embedder=has_clean_x_embedder,
        )
        self.register_to_config(num_single_layers=num_single_layers)
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(num_attention_heads, attention_head_dim, mlp_ratio=mlp_ratio, qk_norm=qk_norm)
            for _ in range(num_single_layers)
        )
        for stack, processor in (
            (self.transformer_blocks, DualAttention),
            (self.single_transformer_blocks, SingleAttention),
        ):
            for block in stack:
                block.attn.set_processor(processor())  # type: ignore[operator, union-attr]
        self.extra_x_embedders = nn.ModuleDict()
        self.add_kernels(extra_kernels)

    def add_kernels(self, names: Sequence[str]) -> None:
        """Give each kernel of ``names`` that has none patchify parameters, initialised from the base kernel's.

        A transformer that was never packed gets those of all released kernels as soon as one of them is asked for.

        Raises:
            InputError: a name can't be read or its kernel can't have parameters.
        """
        if self.clean_x_embedder is None and any(self._is_released(name) for name in names):
            self.clean_x_embedder = begin_released(self.x_embedder.proj)
            self.register_to_config(has_clean_x_embedder=True)
        missing = [name for name in names if name not in self.extra_x_embedders and not self._is_released(name)]
        if not missing:
            return
        for kernel in map(Kernel.parse, missing):
            own = own_kernel(kernel)[1]
            if own != kernel:
                raise InputError(f"kernel {kernel}: it is pooled down to {own}; add that one.")
        base = self.clean_x_embedder.proj if self.clean_x_embedder is not None else self.x_embedder.proj
        for name, projection in make_projections(missing, base).items():
            self.extra_x_embedders[name] = projection
        self.register_to_config(extra_kernels=tuple(self.extra_x_embedders))

    def use_fp8(self) -> None:
        """Keep the weights of attention and feed-forward layers, 9.0 of the released 12.9 billion, as 8-bit floats."""
        use_fp8([*self.transformer_blocks, *self.single_transformer_blocks])

    @staticmethod
    def _is_released(name: str) -> bool:
        return Kernel.parse(name) in RELEASED

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor | float,
        inputs: SectionInputs,
        memo: SectionMemo | None = None,
    ) -> torch.Tensor:
        """The flow predicted for a noisy window.

        Args:
            hidden_states: noisy latents [batch, channels, frames, height, width].
            timestep: sigma * 1000, one for all or [batch].
            inputs: the rest of the section, on the same device.
            memo: of the section: constant work is taken from it, or done once and left there. Without one everything
                is computed here, which is what training needs; with one, ``timestep`` is a number.

        Returns:
            [batch, channels, frames, height, width].

        Raises:
            InputError: the context needs a kernel that this checkpoint has no parameters for.
        """
        batch, _, frames, height, width = hidden_states.shape
        tokens = self.x_embedder(hidden_states)
        generated = tokens.shape[1]

        def pack() -> tuple[list[torch.Tensor], Phases]:
            return self._pack(inputs, height, width, hidden_states.device)

        if memo is None:
            context, phases = pack()
            time = torch.as_tensor(timestep, dtype=torch.float32, device=hidden_states.device).expand(batch)
            step = self._step(inputs, time, self._image_tokens(inputs))
        else:
            context, phases = memo.once("pack", (inputs.context, inputs.indices), pack)
            image = memo.once("image", (inputs.image,), lambda: self._image_tokens(inputs))
            step = memo.step(inputs, float(timestep), lambda times: self._steps(inputs, times, batch, image))

        tokens = torch.cat([*context, tokens], dim=1)
        mask = _attention_mask(inputs, tokens.shape[1], step.text.shape[1])
        known = nullcontext() if step.modulations is None else self._modulations.given(step.modulations)
        with known:
            tokens = self._run_blocks(tokens, generated, step.text, step.embedding, mask, phases)
            tokens = self.norm_out(tokens[:, -generated:], step.embedding)
        if self.proj_out.weight.dtype == torch.float32:
            tokens = tokens.float()  # an output layer kept in fp32, as the official program does
        tokens = self.proj_out(tokens)

        p, p_t = self.config.patch_size, self.config.patch_size_t
        tokens = tokens.reshape(batch, frames // p_t, height // p, width // p, -1, p_t, p, p)
        tokens = tokens.permute(0, 4, 1, 5, 2, 6, 3, 7)
        flow: torch.Tensor = tokens.flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return self._towards_clean(hidden_states, flow, timestep) if self.config.clean_channels else flow

    def _towards_clean(
        self, noisy: torch.Tensor, predicted: torch.Tensor, timestep: torch.Tensor | float
    ) -> torch.Tensor:
        """The flow, where the last channels of ``predicted`` are clean latents."""
        sigma = torch.as_tensor(timestep, dtype=predicted.dtype, device=predicted.device).reshape(-1, 1, 1, 1, 1) / 1000
        flow, clean = predicted.tensor_split([-self.config.clean_channels], dim=1)
        noisy = noisy[:, -self.config.clean_channels :]
        return torch.cat([flow, (noisy - clean) / sigma.clamp(min=MIN_SIGMA)], dim=1)

    def absent(self) -> AbstractContextManager[None]:
        """Inside the block the modulation layers are out of the way."""
        return self._modulations.absent()

    def ahead_layers(self) -> list[nn.Module]:
        """The modulation layers. With ``constants``, 3.8 of the released 12.9 billion weights work ahead of the
        steps."""
        return self._modulations.layers

    @cached_property
    def _modulations(self) -> Modulations:
        return Modulations(self)

    def _run_blocks(
        self,
        tokens: torch.Tensor,
        window: int,
        text: torch.Tensor,
        embedding: torch.Tensor,
        mask: torch.Tensor | None,
        phases: Phases,
    ) -> torch.Tensor:
        """All tokens after the blocks, of which only the last, those of the ``window``, went through all of them."""
        blocks = (*self.transformer_blocks, *self.single_transformer_blocks)
        for block in blocks:
            last = (window,) if block is blocks[-1] and not self.is_cache_enabled else ()
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                tokens, text = self._gradient_checkpointing_func(block, tokens, text, embedding, mask, phases, *last)
            else:
                tokens, text = block(tokens, text, embedding, mask, phases, *last)
        return tokens

    def _steps(
        self, inputs: SectionInputs, timesteps: Sequence[float], batch: int, image: torch.Tensor | None
    ) -> list[Step]:
        """The steps of all ``timesteps``, with their modulations."""
        device = inputs.text.device
        with brought_to(self.context_embedder, device), brought_to(self.time_text_embed, device):
            steps = [self._step(inputs, torch.full((batch,), time, device=device), image) for time in timesteps]
        modulations = self._modulations.ahead([step.embedding for step in steps])
        return [Step(step.embedding, step.text, values) for step, values in zip(steps, modulations, strict=True)]

    def _step(self, inputs: SectionInputs, timestep: torch.Tensor, image: torch.Tensor | None) -> Step:
        embedding, _ = self.time_text_embed(timestep, inputs.pooled, inputs.guidance)
        text = self.context_embedder(inputs.text, timestep, inputs.text_mask)
        if text.shape[0] == 1:
            text = text[:, : int(inputs.text_mask.sum())]
        if image is not None:
            text = torch.cat([image, text], dim=1)  # before the text, whose padding is masked at the end
        return Step(embedding, text)

    def _image_tokens(self, inputs: SectionInputs) -> torch.Tensor | None:
        if inputs.image is None:
            return None
        if self.image_projection is None:
            raise InputError("this checkpoint has no image projection; render it without a start image.")
        with brought_to(self.image_projection, inputs.image.device):
            tokens: torch.Tensor = self.image_projection(inputs.image)
        return tokens

    def _pack(
        self, inputs: SectionInputs, height: int, width: int, device: torch.device
    ) -> tuple[list[torch.Tensor], Phases]:
        """The context's tokens per kernel, largest footprint first, and the phases of the whole packed sequence."""
        streams: dict[tuple[Any, ...], list[ContextGroup]] = {}
        for group in sorted(inputs.context, key=_footprint, reverse=True):
            streams.setdefault((group.kernel, group.pool), []).append(group)
        tokens, cosines, sines = [], [], []
        for groups in streams.values():
            tokens.append(self._patchify(groups, device))
            cos, sin = self._context_phases(groups, height, width, device)
            cosines.append(cos)
            sines.append(sin)
        window = self.rope(torch.tensor(inputs.indices), height, width, device)
        return tokens, (torch.cat([*cosines, window[0]]), torch.cat([*sines, window[1]]))

    def _patchify(self, groups: Sequence[ContextGroup], device: torch.device) -> torch.Tensor:
        """Tokens [batch, tokens, dim] of groups that have kernel and pooling in common."""
        pool, kernel = own_kernel(groups[0].kernel)
        projection = self._projection(kernel)
        volumes = [
            pad_to(
                average_pool(average_pool(group.latents.to(device), group.pool), pool), (kernel.t, kernel.h, kernel.w)
            )
            for group in groups
        ]
        with brought_to(projection, device):
            patches = projection(torch.cat(volumes, dim=2).to(projection.weight.dtype))
        tokens: torch.Tensor = patches.flatten(2).transpose(1, 2)
        return tokens

    def _projection(self, kernel: Kernel) -> Any:
        if kernel in RELEASED and self.clean_x_embedder is not None:
            return getattr(self.clean_x_embedder, RELEASED[kernel])
        if str(kernel) in self.extra_x_embedders:
            return self.extra_x_embedders[str(kernel)]
        raise InputError(f"this checkpoint has no patchify parameters for kernel {kernel}; add_kernels makes them.")

    def _context_phases(self, groups: Sequence[ContextGroup], height: int, width: int, device: torch.device) -> Phases:
        """Phases [tokens, head dim], averaged over what each token covers; padded like the latents."""
        p, p_t = self.config.patch_size, self.config.patch_size_t
        pool, kernel = own_kernel(groups[0].kernel)
        found: list[Phases] = []
        for group in groups:
            cos_sin = []
            for phases in self.rope(torch.tensor(group.indices), height, width, device):
                grid = phases.T[None].unflatten(2, (-1, height // p, width // p))
                for factor in (group.pool, pool, (kernel.t // p_t, kernel.h // p, kernel.w // p)):
                    grid = average_pool(grid, factor)
                cos_sin.append(grid.flatten(2)[0].T)
            found.append((cos_sin[0], cos_sin[1]))
        return torch.cat([cos for cos, _ in found]), torch.cat([sin for _, sin in found])


def _footprint(group: ContextGroup) -> int:
    frames, rows, columns = group.pool
    return group.kernel.volume * frames * rows * columns


def _attention_mask(inputs: SectionInputs, image_tokens: int, text_tokens: int) -> torch.Tensor | None:
    """[batch, 1, 1, tokens] (bool): which tokens are attended to. None at batch 1, where the text has no padding."""
    batch, padded = inputs.text_mask.shape
    if batch == 1:
        return None
    ends = image_tokens + text_tokens - padded + inputs.text_mask.sum(dim=1)
    places = torch.arange(image_tokens + text_tokens, device=inputs.text_mask.device)
    return (places < ends[:, None])[:, None, None]
