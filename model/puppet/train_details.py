"""Training the puppet's details: what its decoder draws at twice the size, from latents as its transformer makes them.

Everything else of the puppet stays as it is: latents mean what they did, and pictures without details are the same.
"""

import random
from collections import deque
from collections.abc import Iterator
from itertools import islice
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from model.plan.context import place_context
from model.plan.layout import Layout
from model.transformer import SectionInputs, gather_context

from .build import LAYOUT, Components
from .codec import TIME, AutoencoderPuppet, Details
from .recipe import DetailsRecipe
from .train_codec import square_errors
from .train_transformer import condition
from .training import Learner, Report
from .world import render_clip, sample_puppet, sample_scene

BATCH = 8
"""Sections that are made ready at once."""
MOST_NOISE = 0.5
"""Largest share of noise that the transformer takes from a true section: with more it would guess another motion."""
LEAST_CRISP = 0.02
"""Of a cell, in values from -1 to 1: the grain of a plain ground is not to be learnt."""


def sample_sections(parts: Components, seed: int, plain: float | None, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Raw latents [n, channels, h, w] as the transformer makes them, and true groups [n, 3, 4, height, width] uint8, of
    ``BATCH`` sections at a time, without end.

    Noise is put on the first section of a true clip, and the transformer predicts what it was: its latents are wrong
    as those of rendered videos are, and what they ought to look like is known. The start image's latent is exact.
    """
    layout, resolution, vae = Layout.parse(LAYOUT), parts.config.resolution, parts.vae
    rng = random.Random(seed)
    context = place_context(layout, 1, 1, None)
    window = tuple(range(context.window_index, context.window_index + layout.window))
    noise_source = torch.Generator().manual_seed(seed)
    while True:
        scenes = [sample_puppet(rng) if plain is None else sample_scene(rng, plain) for _ in range(BATCH)]
        clips = torch.stack([render_clip(scene, 0, 1 + TIME * layout.window, resolution, device) for scene in scenes])
        with torch.no_grad():
            latents = vae.encode((clips * 2 - 1).transpose(1, 2)).latent_dist.mode() * vae.config.scaling_factor
            clean, (channels, _, height, width) = latents[:, :, 1:], latents.shape[1:]
            sigma = MOST_NOISE * torch.rand(BATCH, generator=noise_source).to(device)
            wide = sigma[:, None, None, None, None]
            noisy = (1 - wide) * clean + wide * torch.randn(clean.shape, generator=noise_source).to(device)
            packed = gather_context(context.slots, {0: latents[:, :, 0]}, channels, height, width, BATCH)
            pixels = clips[:, 0].mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
            text, mask, pooled, image = condition(parts, [scene.prompt for scene in scenes], [(pixels, 1.0)], device)
            guidance = torch.full((BATCH,), 10_000.0, device=device)
            inputs = SectionInputs(text, mask, pooled, image, guidance, window, packed)
            made = noisy - wide * parts.transformer(noisy, sigma * 1000, inputs)
        latents = torch.cat([latents[:, :, :1], made], dim=2) / vae.config.scaling_factor
        groups = torch.cat([clips[:, :1].expand(-1, TIME - 1, -1, -1, -1), clips], dim=1).mul(255).round().byte()
        yield latents.transpose(1, 2).flatten(0, 1), groups.unflatten(1, (-1, TIME)).flatten(0, 1).transpose(1, 2)


def crispness(groups: Tensor) -> Tensor:
    """How crisp each cell of groups [n, 3, 4, h, w] is, wherever in it edges are: [n, 4, h / 4, w / 4].

    The root of the mean square of the brightness' Laplacian, as ``quality.sharpness`` of whole pictures. Of all
    pictures that a latent may stand for, the least square error alone gives their mean, which is blurred.
    """
    bright = groups.mean(dim=1)
    across, down = (bright.diff(n=2, dim=way) for way in (-1, -2))
    laplacian = torch.nn.functional.pad(across, (1, 1)) + torch.nn.functional.pad(down, (0, 0, 1, 1))
    return (torch.nn.functional.avg_pool2d(laplacian.square(), Details.CELL) + LEAST_CRISP**2).sqrt()


def train_details(
    parts: Components,
    recipe: DetailsRecipe,
    *,
    seed: int,
    plain: float | None,
    device: str,
    state_path: Path,
    report: Report,
) -> None:
    """Train the details of ``parts.vae``, which has some, in place. Resumes from ``state_path`` when it exists."""
    vae = parts.vae
    assert isinstance(vae, AutoencoderPuppet) and vae.details is not None
    details = vae.details
    for module in (*parts.trained, vae):
        module.to(device).eval().requires_grad_(False)
    details.requires_grad_(True).train()
    learner = Learner(
        details, rate=recipe.rate, steps=recipe.steps, device=device, state_path=state_path, report=report
    )
    first = learner.step
    source = sample_sections(parts, seed + first, plain, device)
    pool: deque[tuple[Tensor, ...]] = deque()

    def make(sections: int) -> None:
        for latents, groups in islice(source, ceil(sections / BATCH)):
            with torch.no_grad():
                small, features = vae.draw(latents)
            pool.extend(zip(small.half(), features.half(), groups, strict=True))

    if first < recipe.steps:
        make(recipe.sections)
    for step in range(first, recipe.steps):
        if (step + 1) % recipe.renewed == 0:
            most = len(pool)
            make(BATCH)
            while len(pool) > most:
                pool.popleft()
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = [pool[i] for i in torch.randint(len(pool), (recipe.batch,), generator=generator).tolist()]
        small, features, groups = (torch.stack(some).float() for some in zip(*chosen, strict=True))
        given, wanted = details(small, features).unflatten(1, (3, TIME)), groups / 127.5 - 1
        errors = square_errors(given - wanted, recipe.edges, vae.space)
        if recipe.crisp:
            errors = errors + recipe.crisp * (crispness(given) - crispness(wanted)).square().mean(dim=(1, 2, 3)) / 4
        learner.learn(errors)
    learner.ema.apply()
    vae.eval()
