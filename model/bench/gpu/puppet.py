"""The bundled model: seconds of a section, and steps per second of its training."""

import tempfile
import time
from pathlib import Path

import torch

from model.device import open_device

from .run import Emit, Row, Setup, attempt, peak_gb, reset_peak

CLIPS = 8


def run(setup: Setup, emit: Emit) -> None:
    attempt("section", lambda: _section(setup), emit)
    attempt("training", lambda: _train(setup, emit), emit)


def _train(setup: Setup, emit: Emit) -> Row:
    """Steps of the shipped recipe, with few clips."""
    from model.puppet.build import build
    from model.puppet.recipe import DEFAULT_CONFIG, Recipe
    from model.puppet.train_transformer import Trainer

    recipe = Recipe.read(DEFAULT_CONFIG)
    quick = {"first_clips": CLIPS, "clips": CLIPS, "compile": False} | ({} if "cuda" in setup.device else {"batch": 2})
    recipe = recipe.model_copy(update={"transformer": recipe.transformer.model_copy(update=quick)})
    parts = build(seed=recipe.seed)
    parts.vae.to(setup.device).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(parts, recipe, Path(folder), setup.device)
        began = time.monotonic()
        trainer.fill_pool(lambda *_: None)
        emit({"name": "clips", "seconds_per_clip": (time.monotonic() - began) / CLIPS})
        for _ in range(2):
            trainer.train_step()
        reset_peak(open_device(setup.device))
        began, steps = time.monotonic(), 0
        while time.monotonic() - began < min(10.0, setup.seconds / 4):
            trainer.train_step()
            steps += 1
        spent = time.monotonic() - began
    return {
        "steps_per_s": steps / spent,
        "batch": recipe.transformer.batch,
        "peak_gb": peak_gb(open_device(setup.device)),
    }


@torch.no_grad()
def _section(setup: Setup) -> Row:
    from model.families import load
    from model.family import SamplingParams
    from model.plan import make_plan
    from model.puppet.quality import held_out_puppet, start_image

    renderer = load("puppet", setup.settings, setup.device)
    info = renderer.info
    puppet = held_out_puppet(0)
    image, prompt = start_image(puppet), puppet.prompt
    plan = make_plan(layout=info.layout, order="vanilla", seconds=1, seed=1, prompt=prompt)
    conditioning = renderer.encode(image, (prompt,), "")
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        made = renderer.denoise(
            plan.sections[0],
            {0: conditioning["start_latent"][:, 0]},
            conditioning,
            SamplingParams(steps=25),
            lambda done, steps: None,
        )
        seconds.append(time.monotonic() - began)
    began = time.monotonic()
    renderer.decode(made)
    return {"section_s": min(seconds), "decode_s": time.monotonic() - began, "device_class": renderer.device_class}
