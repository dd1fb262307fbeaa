"""What a replica does on a GPU, with a GPU that is only pretended: devices and dtypes fit together."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import model.families as families
from model.family import SamplingParams
from model.lora import Lora
from model.memory import PLACEMENTS, MemoryBudget
from model.plan import make_plan
from tests.support.pretended_cuda import pretended_cuda
from tests.support.released import released_folder

PROMPT = "The girl dances."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_folder(tmp_path_factory.mktemp("released"))


@pytest.fixture(autouse=True)
def gpu(folder: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch):
    """The families' weights, a LoRA named style, and a pretended GPU."""
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    monkeypatch.setenv("FARM_FRAMEPACK_F1_PATH", str(folder))
    monkeypatch.setenv("FARM_ATTENTION", "native")  # diffusers keeps the last choice for the process
    (farm_home / "loras").mkdir(parents=True)
    layers = {"transformer_blocks.0.attn.to_q": 32, "transformer_blocks.0.norm1.linear": 192}
    weights: dict[str, torch.Tensor] = {}
    for layer, size in layers.items():
        weights[f"transformer.{layer}.lora_A.weight"] = torch.randn(2, 32)
        weights[f"transformer.{layer}.lora_B.weight"] = torch.randn(size, 2)
    save_file(weights, farm_home / "loras" / "style.safetensors")
    with pretended_cuda():
        yield


def denoise(renderer: Any, conditioning: Any, **params: Any) -> torch.Tensor:
    """The only section of a video."""
    info = renderer.info
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=1, seed=1, prompt=PROMPT)
    known = {0: conditioning["start_latent"][:, 0]}
    made = renderer.denoise(plan.sections[0], known, conditioning, SamplingParams(**params), lambda done, steps: None)
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)
    return made


@pytest.mark.parametrize("plan", PLACEMENTS)
def test_every_memory_plan_renders(picture: bytes, plan: str):
    renderer = families.load("framepack", device="cuda:0", budget=MemoryBudget(plan=plan))
    assert renderer.device_class.startswith("pretended-gpu-")
    conditioning = renderer.encode(picture, (PROMPT,), "blurry")
    assert {tensor.device.type for tensor in conditioning.values()} == {"cpu"}
    made = denoise(renderer, conditioning, steps=2, cfg=2.0, rs=0.5)
    frames = renderer.decode(made[:, :3])
    assert (frames.shape, frames.device.type) == ((9, 64, 64, 3), "cpu")
    assert renderer.preview(made).device.type == "cpu"
    denoise(renderer, conditioning, steps=2, loras=(Lora("style", 0.5),))
    denoise(renderer, conditioning, steps=2)


@pytest.mark.parametrize("cache", ["tea", "first_block", "taylor"])
def test_step_caches_skip_blocks_that_are_streamed(picture: bytes, cache: str):
    renderer = families.load("framepack-f1", device="cuda:0", budget=MemoryBudget(plan="streamed"))
    conditioning = renderer.encode(picture, (PROMPT,), "")
    denoise(renderer, conditioning, steps=6, cache=cache)
    denoise(renderer, conditioning, steps=2)


def test_a_mixed_up_device_is_noticed():
    """The test of this test."""
    card, host = torch.zeros(2, device="cuda:0"), torch.zeros(2, 2)
    with pytest.raises(Exception, match="same device"):
        host @ card
    with pytest.raises(RuntimeError, match="dtype"):
        torch.nn.functional.linear(card, host.to("cuda:0", torch.bfloat16))
    assert card.to("cpu").equal(torch.zeros(2))
