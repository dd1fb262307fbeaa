"""Helios' transformer wherever its weights lie, and with what others bring for it."""

from pathlib import Path

import pytest
import torch
from diffusers import HeliosTransformer3DModel
from safetensors.torch import save_file

import model.families as families
from farm.errors import CheckpointError
from model.choices import Lora
from model.families.helios.renderer import HeliosRenderer
from model.family import SamplingParams
from model.memory import MemoryBudget
from model.settings import path_variable
from model.transformer import SectionMemo
from tests.model.families.helios.test_renderer import blank
from tests.support.helios import helios_folder
from tests.support.helios_pipelines import PROMPT, pipeline_of, plan_of, theirs
from tests.support.machine import here

FAMILY = "helios-distilled"
WAN = ["self_attn.q", "self_attn.o", "cross_attn.k", "cross_attn.v", "ffn.0", "ffn.2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helios_folder(tmp_path_factory.mktemp("parts"), FAMILY, buckets=[[64, 64]])


def load(folder: Path, plan: str = "resident", family: str = FAMILY) -> HeliosRenderer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(path_variable(family), str(folder))
        renderer = families.load(family, here(), budget=MemoryBudget(plan=plan))
    assert isinstance(renderer, HeliosRenderer)
    return renderer


def section(renderer: HeliosRenderer, loras: tuple[Lora, ...] = ()) -> torch.Tensor:
    """Latents of a first section."""
    conditioning = renderer.encode(blank(FAMILY), (PROMPT,), "")
    params = SamplingParams(steps=1, loras=loras)
    return renderer.denoise(plan_of(renderer, 1).sections[0], {}, conditioning, params, lambda done, steps: None)


@pytest.fixture(scope="module")
def resident(folder: Path) -> torch.Tensor:
    return section(load(folder))


@pytest.mark.parametrize("plan", ["transformer", "hot", "streamed"])
def test_memory_plans_give_the_same_bits(folder: Path, resident: torch.Tensor, plan: str) -> None:
    renderer = load(folder, plan)
    assert section(renderer).equal(resident) and section(renderer).equal(resident)


def test_8_bits_come_close(folder: Path, resident: torch.Tensor) -> None:
    renderer = load(folder, "fp8")
    made = section(renderer)
    assert renderer.device_class == "cpu-1t-fp8-fp32"
    assert 0 < float((made - resident).norm() / resident.norm()) < 0.1


def wan_lora(path: Path, renderer: HeliosRenderer, prefix: str = "diffusion_model.") -> None:
    """A LoRA on both blocks in the names of the original."""
    modules = dict(renderer.transformer.named_modules())
    source, weights = torch.Generator().manual_seed(3), {}
    for block in range(2):
        for name in WAN:
            kind, part = name.split(".")
            inner = {"0": "net.0.proj", "2": "net.2"}.get(part) or {"o": "to_out.0"}.get(part, f"to_{part}")
            target = {"self_attn": "attn1", "cross_attn": "attn2", "ffn": "ffn"}[kind]
            layer = modules[f"blocks.{block}.{target}.{inner}"]
            weights[f"{prefix}blocks.{block}.{name}.lora_A.weight"] = torch.randn(
                2, layer.in_features, generator=source
            )
            weights[f"{prefix}blocks.{block}.{name}.lora_B.weight"] = torch.randn(
                layer.out_features, 2, generator=source
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)


def test_a_lora_in_wans_names_is_diffusers_own(folder: Path, farm_home: Path, resident: torch.Tensor) -> None:
    renderer, file = load(folder), farm_home / "loras" / "style.safetensors"
    wan_lora(file, renderer)
    pipeline = pipeline_of(renderer, FAMILY)
    made = section(renderer, (Lora("style"),))
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="style")
    conditioning = renderer.encode(blank(FAMILY), (PROMPT,), "")
    expected = theirs(renderer, FAMILY, 1, conditioning, 1, 1.0, pipeline=pipeline)
    assert not made.equal(resident) and made.equal(expected)
    assert section(renderer).equal(resident)


def test_a_lora_is_used_while_blocks_are_streamed(folder: Path, farm_home: Path) -> None:
    here, streamed = load(folder), load(folder, "streamed")
    wan_lora(farm_home / "loras" / "style.safetensors", here, "lora_unet_")
    assert section(streamed, (Lora("style", 0.5),)).equal(section(here, (Lora("style", 0.5),)))


def test_without_a_memo_the_bits_are_the_same(folder: Path) -> None:
    from model.bench.helios import SIZES, HeliosKit

    device, kit = torch.device("cpu"), HeliosKit(SIZES["helios-tiny"])
    made, inputs = kit.build(device, torch.float32), kit.inputs(device, torch.float32)
    x, memo = kit.noise(device, torch.float32), SectionMemo([900.0, 300.0])
    with torch.no_grad():
        for timestep in (900.0, 300.0, 10.0):
            assert made(x, timestep, inputs).equal(made(x, timestep, inputs, memo))


def test_weights_of_another_variant_are_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a HeliosDMDScheduler with 3 stages.* --model helios-distilled"):
        load(folder, family="helios-mid")


def test_weights_that_are_called_as_another_variant_are_refused(folder: Path, tmp_path: Path) -> None:
    named = helios_folder(tmp_path / "Helios-Base", "helios-mid")
    with pytest.raises(CheckpointError, match="is called 'Helios-Base', so it is helios's"):
        load(named, family="helios-mid")


def test_in_bf16_what_needs_32_bits_keeps_them(folder: Path) -> None:
    from model.components import load_weights
    from model.families.helios.transformer import HeliosTransformer

    made = load_weights(HeliosTransformer, folder / "transformer", torch.device("cpu"), "bf16")
    twin = HeliosTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=torch.bfloat16)
    theirs_kept = {name: weight.dtype for name, weight in twin.named_parameters()}
    assert {name: weight.dtype for name, weight in made.named_parameters()} == theirs_kept
    assert torch.float32 in theirs_kept.values() and torch.bfloat16 in theirs_kept.values()
    made.keep_phases_exact()
    assert {buffer.dtype for buffer in made.rope.buffers()} == {torch.float32}
