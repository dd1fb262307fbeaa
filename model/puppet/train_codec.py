"""Training the puppet's codec on groups of four frames of random puppets, for the highest signal-to-noise ratio."""

import random
from pathlib import Path

import torch
from torch import Tensor

from .codec import TIME, AutoencoderPuppet
from .layered import LayeredAutoencoderPuppet
from .training import Learner, Report, bf16_where_fast
from .world import render_clip, sample_puppet, sample_scene

Codec = AutoencoderPuppet | LayeredAutoencoderPuppet

HELD_OUT = 400
"""Clips that the signal-to-noise ratio is measured on: it differs by 3 dB between clips, so few would mislead."""
HELD_OUT_SEED = 987_654_321


def sample_groups(
    clips: int, groups: int, seed: int, resolution: int, device: str, plain: float | None = None
) -> Tensor:
    """Random groups of four consecutive frames [clips * groups, 3, 4, h, w] uint8.

    Of puppets on plain ground, or with ``plain`` of any scene, that share of them such puppets.
    """
    rng = random.Random(seed)
    pool = torch.empty(clips * groups, 3, TIME, resolution, resolution, dtype=torch.uint8, device=device)
    for index in range(clips):
        scene = sample_puppet(rng) if plain is None else sample_scene(rng, plain)
        clip = render_clip(scene, rng.randrange(0, 200), groups * TIME, resolution, device)
        pool[index * groups : (index + 1) * groups] = (
            clip.mul(255).round().byte().unflatten(0, (groups, TIME)).transpose(1, 2)
        )
    return pool


def psnr(codec: Codec, groups: Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB over groups [n, 3, 4, h, w] uint8, pictures in [0, 1]."""
    ratios = []
    with torch.no_grad():
        for batch in groups.split(64):
            wanted = batch.float() / 255
            given = (codec.decode_groups(codec.encode_groups(wanted * 2 - 1)) / 2 + 0.5).clamp(0, 1)
            errors = (given - wanted).square().mean(dim=(1, 2, 3, 4))
            ratios.append(-10 * errors.clamp(min=1e-10).log10())
    return torch.cat(ratios).mean().item()


def _at_edges(wrong: Tensor, way: int, space: int) -> Tensor:
    """Mean square of how errors [n, 3, 4, h, w] change across the edges between blocks, along the axis ``way``."""
    steps = wrong.diff(dim=way).movedim(way, -1)[..., space - 1 :: space]
    return steps.square().mean(dim=(1, 2, 3, 4))


def square_errors(wrong: Tensor, edges: float, space: int) -> Tensor:
    """Mean square errors [n] of pictures in [0, 1], by how wrong groups [n, 3, 4, h, w] in [-1, 1] are; ``edges``:
    weight of errors in how they change where blocks of ``space`` pixels meet."""
    errors = wrong.square().mean(dim=(1, 2, 3, 4)) / 4
    if edges:
        errors = errors + edges * sum(_at_edges(wrong, way, space) for way in (-1, -2)) / 8
    return errors


def train_codec(
    codec: Codec,
    *,
    steps: int,
    batch: int,
    rate: float,
    pool: int,
    held_out: int,
    resolution: int,
    seed: int,
    device: str,
    state_path: Path,
    report: Report,
    decoder_only: bool = False,
    plain: float | None = None,
    jitter: float = 0.0,
    edges: float = 0.0,
) -> dict[str, float]:
    """Train in place; returns held-out metrics. Resumes from ``state_path`` when it exists.

    ``decoder_only`` leaves the encoder, and with it every latent, as it is; otherwise the latents are settled to about
    unit variance. A layered codec's coarse layer stays as it is. ``plain``: as of ``sample_groups``. ``jitter``:
    largest noise, beside their standard deviation, on the latents that the decoder learns from. ``edges``: weight of
    errors in how pictures change from pixel to pixel where blocks meet, beside errors of the pixels.
    """
    codec.to(device=device, memory_format=torch.channels_last)
    codec.train(not decoder_only)
    for name, weight in codec.named_parameters():
        layer = name.removeprefix("fine_codec.")
        weight.requires_grad_(layer.startswith("decode") or (layer.startswith("encode") and not decoder_only))
    learner = Learner(codec, rate=rate, steps=steps, device=device, state_path=state_path, report=report)
    first = learner.step
    if first < steps:
        groups = sample_groups(pool, 12 if plain is None else 4, seed + first, resolution, device, plain)
    for step in range(first, steps):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        chosen = groups[torch.randint(len(groups), (batch,), generator=generator)]
        wanted = chosen.float() / 127.5 - 1
        with bf16_where_fast(device):
            latents = codec.encode_groups(wanted)
            if jitter:
                noise = torch.randn(latents.shape, generator=generator).to(device)
                noise *= jitter * torch.rand(len(noise), 1, 1, 1, generator=generator).to(device)
                latents = latents + noise / codec.config.scaling_factor
            given = codec.decode_groups(latents)
        learner.learn(square_errors(given.float() - wanted, edges, codec.space))
    learner.ema.apply()
    codec.eval()
    unseen = sample_groups(held_out, 6, HELD_OUT_SEED, resolution, device)
    if not decoder_only:
        codec.settle(unseen)
    return {"psnr": psnr(codec, unseen), "scaling_factor": codec.config.scaling_factor}
