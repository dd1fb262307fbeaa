"""The transformer stage of ``farm train puppet``: the packed transformer and its encoders learn together."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.plan.context import place_context
from model.plan.layout import Layout
from model.sampling import euler, flow_shift, flow_sigmas
from model.transformer import SectionInputs, SectionMemo, gather_context

from .build import LAYOUT, Components
from .dataset import Clip, make_clip, sample_context
from .motions import MOTIONS
from .recipe import Recipe
from .training import Ema, bf16_is_fast, bf16_where_fast, cosine_rate, save_state
from .world import Scene, render_clip, sample_puppet, sample_scene

LEAST_SIGMA = 0.25
"""Errors of clean latents weigh as if no less noise than this were on them: the rest is for the codec to forgive."""
PROMPT_TOKENS = 24
"""Longest prompt in training; always padded to this, so that compiled blocks see one shape."""
Report = Callable[[str, int, int, dict[str, float]], None]
"""Called with (stage, steps done, steps in all, metrics)."""


class Trainer:
    """The transformer stage: components, clip pool, optimiser and the place in the recipe."""

    def __init__(self, parts: Components, recipe: Recipe, folder: Path, device: str) -> None:
        self.parts, self.recipe, self.folder, self.device = parts, recipe.transformer, folder, device
        self.seed, self.plain, self.layout = recipe.seed, recipe.plain, Layout.parse(LAYOUT)
        self.step = 0
        self.seconds = 0.0
        for module in parts.trained:
            module.to(device).train()
        self.weights = [weight for module in parts.trained for weight in module.parameters()]
        self.optimizers = _optimizers(parts, self.recipe.rate, device)
        self.ema = Ema(*parts.trained, decay=0.998)
        self.clips: list[Clip] = []
        if self.recipe.compile:
            for block in [*parts.transformer.transformer_blocks, *parts.transformer.single_transformer_blocks]:
                block.compile()
        self.state_path = folder / "transformer.pt"
        if self.state_path.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        for module, weights in zip(self.parts.trained, state["modules"], strict=True):
            module.load_state_dict(weights)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.ema.load_state_dict(state["ema"])
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the state from which training resumes."""
        save_state(
            self.state_path,
            {
                "modules": [module.state_dict() for module in self.parts.trained],
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "ema": self.ema.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
        )

    def fill_pool(self, report: Report) -> None:
        """Make the clips that the pool holds at the current step."""
        wanted = min(self.recipe.first_clips + self.step, self.recipe.clips)
        while len(self.clips) < wanted:
            config = self.parts.config
            seed = self.seed * 1_000_003 + len(self.clips)
            self.clips.append(
                make_clip(self.parts.vae, seed, config.resolution, self.layout.window, self.device, self.plain)
            )
            if len(self.clips) % 25 == 0:
                report("clips", len(self.clips), wanted, {})

    def train_step(self) -> float:
        """One update; returns the loss."""
        recipe, window = self.recipe, self.layout.window
        rng = random.Random(self.seed * 7_919 + self.step)
        noise_source = torch.Generator().manual_seed(self.seed * 104_729 + self.step)
        chosen = [rng.choice(self.clips) for _ in range(recipe.batch)]
        draw = sample_context(self.layout, rng, recipe.anchored)
        index, context = draw.index, draw.context
        latents = torch.stack([clip.latents for clip in chosen]).float().to(self.device)
        clean = latents[:, :, 1 + window * index : 1 + window * (index + 1)]
        prompts = ["" if rng.random() < recipe.prompt_dropout else clip.prompt(rng) for clip in chosen]

        level = torch.sigmoid(torch.randn(recipe.batch, generator=noise_source))
        uniform = torch.rand(recipe.batch, generator=noise_source)
        level = torch.where(uniform < 0.15, uniform / 0.15, level)
        shift = flow_shift(clean[0, 0].numel() // 4)
        sigma = (shift * level / (1 + (shift - 1) * level)).clamp(1e-3, 1).to(self.device)
        noise = torch.randn(clean.shape, generator=noise_source).to(self.device)
        wide = sigma[:, None, None, None, None]
        noisy = (1 - wide) * clean + wide * noise

        frames = {frame: latents[:, :, frame] for frame in range(latents.shape[2])}
        packed = gather_context(context.slots, frames, clean.shape[1], clean.shape[-2], clean.shape[-1], recipe.batch)
        blur = recipe.context_noise * torch.rand(recipe.batch, 1, 1, 1, 1, generator=noise_source).to(self.device)
        blurred = []
        for context_group in packed:
            known = context_group.latents.to(self.device)
            extra = torch.randn(known.shape, generator=noise_source).to(self.device)
            blurred.append(replace(context_group, latents=known + blur * extra * (known != 0)))
        guidance = 1000 * (1 + 31 * torch.rand(recipe.batch, generator=noise_source)).to(self.device)
        with bf16_where_fast(self.device):
            seen = [(np.stack([clip.pictures[number] for clip in chosen]), share) for number, share in draw.images]
            text, mask, pooled, image = condition(self.parts, prompts, seen, self.device)
            indices = tuple(range(context.window_index, context.window_index + window))
            inputs = SectionInputs(text, mask, pooled, image, guidance, indices, tuple(blurred))
            flow = self.parts.transformer(noisy, sigma * 1000, inputs)
        loss = _loss(flow.float(), noise - clean, sigma, self.parts.transformer.config.clean_channels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = cosine_rate(self.step, recipe.steps, recipe.rate, recipe.warmup)
            optimizer.step()
            optimizer.zero_grad()
        self.ema.update(self.step)
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def sample(self, path: Path, steps: int = 16) -> None:
        """Draw one section of every motion with the averaged weights: rows of frames, a picture to look at."""
        backup = [weight.detach().clone() for weight in self.weights]
        self.ema.apply()
        scenes: list[Scene] = [sample_puppet(random.Random(60_000_000 + i), motion) for i, motion in enumerate(MOTIONS)]
        if self.plain is not None:
            scenes += [sample_scene(random.Random(60_000_100 + i), 0.0) for i in range(5)]
        first = torch.cat([render_clip(p, 0, 1, self.parts.config.resolution, self.device) for p in scenes])
        start = self.parts.vae.encode((first * 2 - 1)[:, :, None]).latent_dist.mode()[:, :, 0]
        start = start * self.parts.vae.config.scaling_factor
        context = place_context(self.layout, 1, 1, None)
        channels, height, width = start.shape[1:]
        packed = gather_context(context.slots, {0: start}, channels, height, width, len(scenes))
        pixels = first.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        text, mask, pooled, image = condition(
            self.parts, [scene.prompt for scene in scenes], [(pixels, 1.0)], self.device
        )
        window = tuple(range(context.window_index, context.window_index + self.layout.window))
        guidance = torch.full((len(scenes),), 10_000.0, device=self.device)
        inputs = SectionInputs(text, mask, pooled, image, guidance, window, packed)
        sigmas = flow_sigmas(steps, flow_shift(self.layout.window * height * width // 4))
        memo = SectionMemo([sigma * 1000 for sigma in sigmas[:-1]])

        def model(x: Tensor, sigma: float) -> Tensor:
            return x - sigma * self.parts.transformer(x, sigma * 1000, inputs, memo)

        noise = torch.randn(
            len(scenes),
            start.shape[1],
            self.layout.window,
            *start.shape[2:],
            generator=torch.Generator().manual_seed(5),
        )
        latents = euler(model, noise.to(self.device), sigmas, lambda done, steps: None)
        video = torch.cat([start[:, :, None], latents], dim=2) / self.parts.vae.config.scaling_factor
        frames = (self.parts.vae.decode(video, return_dict=False)[0][:, :, ::4] / 2 + 0.5).clamp(0, 1)
        rows = frames.permute(0, 3, 2, 4, 1).flatten(0, 1).flatten(1, 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rows.mul(255).round().byte().cpu().numpy()).save(path)
        with torch.no_grad():
            for weight, saved in zip(self.weights, backup, strict=True):
                weight.copy_(saved)


def _loss(flow: Tensor, wanted: Tensor, sigma: Tensor, clean_channels: int) -> Tensor:
    """Mean square error of the flow, plus that of the clean latents of the channels that are predicted clean."""
    error = flow - wanted
    if not clean_channels:
        return error.square().mean()
    weight = sigma / sigma.clamp(min=LEAST_SIGMA)
    coarse, fine = error.tensor_split([-clean_channels], dim=1)
    return coarse.square().mean() + (fine * weight[:, None, None, None, None]).square().mean()


def condition(
    parts: Components, prompts: list[str], seen: Sequence[tuple[np.ndarray, float]], device: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Text states [batch, tokens, dim], their mask, pooled text and image states of prompts and pictures.

    ``seen``: pictures [batch, h, w, 3] uint8 and the share that their states have in the sum.
    """
    text = parts.tokenizer(
        prompts, padding="max_length", truncation=True, max_length=PROMPT_TOKENS, return_tensors="pt"
    ).to(device)
    second = parts.tokenizer_2(prompts, padding=True, truncation=True, return_tensors="pt").to(device)
    states = parts.text_encoder(text.input_ids, attention_mask=text.attention_mask).last_hidden_state
    pooled = parts.text_encoder_2(second.input_ids, attention_mask=second.attention_mask).pooler_output
    side, images = parts.image_encoder.config.image_size, []
    for pictures, share in seen:
        pixels = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        if pixels.shape[-1] != side:
            pixels = torch.nn.functional.interpolate(pixels, size=(side, side), mode="bicubic", antialias=True)
        images.append(share * parts.image_encoder(pixels).last_hidden_state)
    return states, text.attention_mask, pooled, torch.stack(images).sum(dim=0)


def _optimizers(parts: Components, rate: float, device: str) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of attention and feed-forward layers, AdamW for everything else.

    Torch's Muon works in bf16: where that is slow, AdamW takes all.
    """
    if not bf16_is_fast(device):
        return [_adamw([weight for module in parts.trained for weight in module.parameters()], rate)]
    blocks = [*parts.transformer.transformer_blocks, *parts.transformer.single_transformer_blocks]
    matrices = [
        weight
        for block in blocks
        for name, weight in block.named_parameters()
        if weight.ndim == 2 and not name.startswith("norm")
    ]
    chosen = {id(weight) for weight in matrices}
    others = [weight for module in parts.trained for weight in module.parameters() if id(weight) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        _adamw(others, rate),
    ]


def _adamw(weights: list[torch.nn.Parameter], rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
