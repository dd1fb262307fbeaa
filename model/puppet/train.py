"""``farm train puppet``: the codec, then the packed transformer with its encoders, then the decoder once more, and what
it draws at twice the size.

Reproducible from a config file, resumable (each stage keeps a state file that is renamed into place), on CPU or GPU.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import write_checksums

from .build import Components, build, detailed, grow
from .codec import AutoencoderPuppet
from .recipe import Recipe
from .train_codec import HELD_OUT_SEED, psnr, sample_groups, train_codec
from .train_details import train_details
from .train_transformer import Report, Trainer


def train_puppet(
    recipe: Recipe, folder: Path, device: str, report: Report, parts: Components | None = None
) -> dict[str, Any]:
    """Run or resume a training in ``folder``; the finished checkpoint is written to ``folder/checkpoint``.

    ``parts`` are what it starts from; by default they are built anew.

    Returns:
        Facts for the model card: steps and seconds, those before ``parts`` included; hardware, metrics.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = parts or build(seed=recipe.seed)
    base = detailed(given, 0)  # everything but the details learns faster without them
    if recipe.resolution > base.config.resolution:
        base = grow(base)
    began = time.monotonic()

    def codec(stage: str, steps: int, decoder_only: bool) -> dict[str, float]:
        return train_codec(
            base.vae,
            steps=steps,
            batch=recipe.codec.batch,
            rate=recipe.codec.rate,
            pool=recipe.codec.pool,
            held_out=recipe.codec.held_out,
            resolution=base.config.resolution,
            seed=recipe.seed + decoder_only,
            device=device,
            state_path=folder / f"{stage}.pt",
            report=lambda done, total, metrics: report(stage, done, total, metrics),
            decoder_only=decoder_only,
            plain=recipe.plain,
            jitter=recipe.codec.jitter,
            edges=recipe.codec.edges,
        )

    metrics = codec("codec", recipe.codec.steps, decoder_only=False) if recipe.codec.steps else {}
    base.vae.eval().requires_grad_(False)
    seconds = _train_transformer(base, recipe, folder, device, report)
    if recipe.codec.decoder_steps:
        if isinstance(base.vae, AutoencoderPuppet):
            base.vae.deepen_decoder(recipe.codec.decoder_blocks)
        metrics = codec("decoder", recipe.codec.decoder_steps, decoder_only=True)
    finished = base
    if recipe.details:
        finished = detailed(base, recipe.details.blocks)
        train_details(
            finished,
            recipe.details,
            seed=recipe.seed,
            plain=recipe.plain,
            device=device,
            state_path=folder / "details.pt",
            report=lambda done, total, values: report("details", done, total, values),
        )
        unseen = sample_groups(recipe.codec.held_out, 6, HELD_OUT_SEED, finished.config.resolution, device)
        metrics = {"psnr": psnr(finished.vae, unseen)}
    elif given.has_details and not metrics:  # latents, and features of them, are what they were
        finished = replace(base, config=given.config, vae=given.vae)
    before = given.training
    facts = {
        **before,
        **({"codec_psnr_db": round(metrics["psnr"], 2)} if metrics else {}),
        "codec_steps": before.get("codec_steps", 0) + recipe.codec.steps + recipe.codec.decoder_steps,
        "transformer_steps": before.get("transformer_steps", 0) + recipe.transformer.steps,
        "transformer_seconds": before.get("transformer_seconds", 0) + round(seconds),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
    }
    if recipe.details:
        facts["detail_steps"] = recipe.details.steps
    finished.save(folder / "checkpoint", facts={"training": facts})
    write_checksums(folder / "checkpoint")
    return facts | {"seconds": round(time.monotonic() - began)}


def _train_transformer(parts: Components, recipe: Recipe, folder: Path, device: str, report: Report) -> float:
    """Train all of ``parts`` but the codec in place; returns the seconds that it took."""
    first = [weight.detach().clone() for module in parts.trained for weight in module.parameters()]
    trainer = Trainer(parts, recipe, folder, device)
    already, began = trainer.seconds, time.monotonic()
    losses: list[float] = []
    while trainer.step < recipe.transformer.steps:
        trainer.fill_pool(report)
        losses = [*losses[-99:], trainer.train_step()]
        trainer.seconds = already + time.monotonic() - began
        done = trainer.step
        if done % 20 == 0:
            report("transformer", done, recipe.transformer.steps, {"loss": sum(losses) / len(losses)})
        if done % recipe.transformer.save_every == 0 or done == recipe.transformer.steps:
            trainer.save()
        if done % recipe.transformer.sample_every == 0:
            trainer.sample(folder / "samples" / f"{done:06d}.png")
    trainer.ema.apply()
    with torch.no_grad():
        for weight, old in zip(trainer.weights, first, strict=True):
            weight.lerp_(old.to(device), recipe.transformer.kept)
    for module in parts.trained:
        module.eval()
    return trainer.seconds
