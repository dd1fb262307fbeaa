"""Where a model's parts lie: every placement renders the same bits, and parts take turns where room is short."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import model.families as families
from model.choices import Lora
from model.family import SamplingParams
from model.memory import PLACEMENTS, MemoryBudget
from model.placement import Turns
from model.plan.make import make_plan
from tests.support.machine import here
from tests.support.released import released_folder

PROMPT = "The girl dances gracefully."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_folder(tmp_path_factory.mktemp("released"))


def render(
    folder: Path, plan: str, picture: bytes, loras: tuple[Lora, ...] = ()
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Latents and frames of a section rendered under a memory plan, and the device class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARM_FRAMEPACK_PATH", str(folder))
        renderer = families.load("framepack", here(), budget=MemoryBudget(plan=plan))
    conditioning = renderer.encode(picture, (PROMPT,), "")
    info = renderer.info
    section = make_plan(layout=info.layout, order="inverted", seconds=1, seed=1, prompt=PROMPT).sections[0]
    params = SamplingParams(steps=3, loras=loras)
    made = [renderer.denoise(section, {}, conditioning, params, lambda done, steps: None) for _ in range(2)]
    assert torch.equal(*made)
    return made[0], renderer.decode(made[0][:, :3]), renderer.device_class


@pytest.fixture(scope="module")
def resident(folder: Path, picture: bytes) -> tuple[torch.Tensor, torch.Tensor, str]:
    return render(folder, "resident", picture)


@pytest.mark.parametrize("plan", ["transformer", "hot", "streamed"])
def test_plans_that_keep_the_dtype_give_the_same_bits(folder, picture, resident, plan: str):
    latents, frames, device_class = render(folder, plan, picture)
    assert torch.equal(latents, resident[0]) and torch.equal(frames, resident[1])
    assert device_class == resident[2]


def test_loras_give_the_same_bits_while_blocks_are_streamed(folder, picture, resident, farm_home: Path):
    """Offloading hooks and PEFT both wrap layers; the weights of a LoRA must travel with its block."""
    weights = {}
    for block in range(2):
        down = torch.randn(2, 32, generator=torch.Generator().manual_seed(block))
        weights[f"transformer.transformer_blocks.{block}.attn.to_q.lora_A.weight"] = down
        weights[f"transformer.transformer_blocks.{block}.attn.to_q.lora_B.weight"] = down.T.contiguous()
    (farm_home / "loras").mkdir(parents=True)
    save_file(weights, farm_home / "loras" / "style.safetensors")
    expected, _, _ = render(folder, "resident", picture, (Lora("style"),))
    assert torch.equal(render(folder, "streamed", picture, (Lora("style"),))[0], expected)
    assert not torch.equal(expected, resident[0])


@pytest.mark.parametrize("plan", ["fp8", "streamed-fp8"])
def test_plans_with_8_bit_weights_give_close_pixels_under_another_device_class(folder, picture, resident, plan: str):
    latents, _, device_class = render(folder, plan, picture)
    assert not torch.equal(latents, resident[0])
    assert (latents - resident[0]).abs().mean() < 0.25 * resident[0].abs().mean()
    assert "fp8" in device_class != resident[2]


def test_parts_take_turns_where_the_placement_keeps_nothing_else():
    moved: list[tuple[str, str]] = []
    turns = Turns(PLACEMENTS["hot"], torch.device("meta"))
    for name in ("transformer", "vae"):
        turns.add(name, lambda target, name=name: moved.append((name, target.type)))
    turns.bring("transformer")
    turns.bring("transformer")
    turns.bring("vae")
    turns.bring()
    assert moved == [("transformer", "meta"), ("transformer", "cpu"), ("vae", "meta"), ("vae", "cpu")]


def test_parts_stay_where_there_is_room():
    turns = Turns(PLACEMENTS["resident"], torch.device("meta"))
    for name in ("transformer", "vae"):
        turns.add(name, lambda target: None)
    turns.bring("transformer")
    turns.bring("vae")
    assert turns.here == {"transformer", "vae"}
