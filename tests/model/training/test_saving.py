"""The saved file changes the model as the training's own layers do: in this farm, in diffusers, in PEFT's hands."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import HunyuanVideoFramepackPipeline, HunyuanVideoFramepackTransformer3DModel

import model.families as families
from model.choices import Lora
from model.conditioning import prompt_key
from model.family import SamplingParams
from model.loras.about import about_lora
from model.plan import make_plan
from model.training.prepare import Prepared
from model.training.trainer import LoraTrainer
from model.weights import read_metadata
from tests.support.machine import here
from tests.support.packed import diffusers_flow, section_inputs

LAYOUT = "f1k1_x_g9_f1k1f2k2f16k4_td"
STEPS = """
[lora]
rank = 4
alpha = 8
[learning]
steps = 3
rate = 3e-2
warmup = 0
"""


@pytest.fixture
def trainer(prepared: Callable[..., Prepared], tmp_path: Path) -> LoraTrainer:
    """After three steps whose changes are far from zero."""
    trainer = LoraTrainer(prepared(STEPS), tmp_path / "out", "cpu")
    for _ in range(3):
        trainer.step()
    return trainer


def test_this_farm_renders_with_the_file_as_with_the_trainings_own_layers(
    trainer: LoraTrainer, farm_home: Path
) -> None:
    (farm_home / "loras").mkdir(parents=True)
    shutil.copy(trainer.save(), farm_home / "loras" / "bar.safetensors")
    renderer = families.load("framepack", here())
    video = trainer.prepared.clips[0]
    shown, text = trainer.prepared.library.clip(video), trainer.prepared.library.text(video.caption)
    plan = make_plan(layout=LAYOUT, order="inverted", seconds=1.2, seed=2, prompt=video.caption)
    conditioning = {"start_latent": shown["latents"][:, :1], "image": shown["image"]}
    for key in ("negative", prompt_key(video.caption)):
        conditioning |= {f"{name}.{key}": tensor for name, tensor in text.items()}

    def render(of: Any, *loras: Lora) -> torch.Tensor:
        params = SamplingParams(steps=3, loras=loras)
        made: torch.Tensor = of.denoise(plan.sections[0], {}, conditioning, params, lambda done, steps: None)
        return made

    without, learnt, loaded = render(renderer), render(trainer.renderer), render(renderer, Lora("bar"))
    assert (learnt - without).abs().mean() > 0.05
    torch.testing.assert_close(loaded, learnt, atol=1e-4, rtol=1e-4)


def test_diffusers_predicts_with_the_file_what_the_trainings_own_layers_predict(
    trainer: LoraTrainer, released: Path
) -> None:
    file = trainer.save()
    twin = HunyuanVideoFramepackTransformer3DModel.from_pretrained(released / "transformer", torch_dtype=torch.float32)
    inputs = section_inputs(LAYOUT, size=(8, 8))
    source = torch.Generator().manual_seed(3)
    wide = (
        replace(group, latents=torch.randn(1, 16, *group.latents.shape[2:], generator=source))
        for group in inputs.context
    )
    inputs = replace(
        inputs,
        text=torch.randn(1, 7, 32, generator=source),
        pooled=torch.randn(1, 32, generator=source),
        image=torch.randn(1, 9, 24, generator=source),
        context=tuple(wide),
    )
    x = torch.randn(1, 16, 9, 8, 8, generator=source)
    with torch.no_grad():
        without = diffusers_flow(twin, x, 600.0, inputs)
        state = HunyuanVideoFramepackPipeline.lora_state_dict(str(file))
        HunyuanVideoFramepackPipeline.load_lora_into_transformer(state, transformer=twin)
        loaded = diffusers_flow(twin, x, 600.0, inputs)
        learnt = trainer.transformer(x, 600.0, inputs)
    assert (learnt - without).abs().mean() > 0.01
    torch.testing.assert_close(loaded, learnt, atol=1e-5, rtol=1e-4)


def test_a_file_tells_what_it_is_and_nothing_of_whose_it_is(trainer: LoraTrainer) -> None:
    file = trainer.save()
    about = about_lora(file)
    assert about.title == "bar" and about.triggers == ("b4r",)
    said = read_metadata(file, "")
    assert said["modelspec.architecture"] == "framepack/lora" and said["ss_steps"] == "3"
    assert json.loads(said["framepack_farm.settings"])["lora"]["alpha"] == 8
    assert str(Path.home()) not in str(said) and "clips" not in str(said)
