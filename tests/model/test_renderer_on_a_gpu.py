"""What a replica does on a GPU, with a GPU that is only pretended: devices and dtypes fit together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo
from safetensors.torch import save_file

import model.families as families
from model.choices import Lora
from model.encoders import works_on
from model.facts import family_facts
from model.family import SamplingParams
from model.memory import PLACEMENTS, MemoryBudget, footprint, plan_memory
from model.placement import transformer_move
from model.plan import Layout, make_plan
from model.transformer import PackedTransformer, SectionInputs, SectionMemo, gather_context
from tests.support.machine import here
from tests.support.pretended_cuda import GB, Pretending, pretended_cuda
from tests.support.released import released_folder

PROMPT = "The girl dances."

RELEASED_13B = footprint("framepack")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_folder(tmp_path_factory.mktemp("released"))


@pytest.fixture(autouse=True)
def gpu(folder: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretending]:
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
    with pretended_cuda() as pretending:
        yield pretending


def denoise(renderer: Any, conditioning: Any, **params: Any) -> torch.Tensor:
    """The only section of a video."""
    info = renderer.info
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=1, seed=1, prompt=PROMPT)
    known = {0: conditioning["start_latent"][:, 0]}
    seen: list[torch.Tensor] = []
    made = renderer.denoise(
        plan.sections[0],
        known,
        conditioning,
        SamplingParams(**params),
        lambda done, steps: None,
        lambda step: seen.append(renderer.preview(step.x0)),
    )
    assert {picture.device.type for picture in seen} == {"cpu"}
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)
    return made


@pytest.mark.parametrize("plan", PLACEMENTS)
def test_every_memory_plan_renders(picture: bytes, plan: str):
    renderer = families.load("framepack", here(), device="cuda", budget=MemoryBudget(plan=plan))
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
    renderer = families.load("framepack-f1", here(), device="cuda", budget=MemoryBudget(plan="streamed"))
    conditioning = renderer.encode(picture, (PROMPT,), "")
    denoise(renderer, conditioning, steps=6, cache=cache)
    denoise(renderer, conditioning, steps=2)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["hot", pytest.param("streamed-fp8", marks=pytest.mark.soak)])
def test_memory_plans_are_what_the_13b_transformer_takes(gpu: Pretending, name: str):
    """Allocations of two steps at 608x640 are counted; the plan may be a little above them, never below."""
    placement, card = PLACEMENTS[name], torch.device("cuda:0")
    config = family_facts("framepack")["transformer_config"]
    transformer = without_data(PackedTransformer, config, torch.bfloat16, gpu)
    if placement.weight_bytes == 1:
        transformer.use_fp8()
    transformer.proj_out.float()
    transformer_move(transformer, placement, card)(card)
    layout = Layout.parse(family_facts("framepack")["layout"])
    section = make_plan(layout=layout, order="inverted", seconds=5, seed=1, prompt=PROMPT).sections[1]
    known = {slot.latent: torch.zeros(16, 76, 80) for slot in section.slots if slot.latent is not None}
    inputs = SectionInputs(
        text=torch.zeros(1, 512, 4096),
        text_mask=torch.ones(1, 512, dtype=torch.bool),
        pooled=torch.zeros(1, 768),
        image=torch.zeros(1, 729, 1152),
        guidance=torch.tensor([9984.0]),
        indices=tuple(range(section.window_index, section.window_index + 9)),
        context=gather_context(section.slots, known, 16, 76, 80),
    ).on(card, torch.bfloat16)
    x = torch.zeros(1, 16, 9, 76, 80).to(card, torch.bfloat16)
    times = [1000.0 - 40 * step for step in range(25)]
    memo = SectionMemo(times)
    gpu.peak = 0
    with torch.no_grad():
        for time in times[:2]:
            transformer(x, time, inputs, memo)
    planned = plan_memory(RELEASED_13B, 100, 100, smallest=name).rows[0].card + RELEASED_13B.activations
    assert 0.85 * planned <= gpu.peak / GB <= planned


@pytest.mark.soak
def test_memory_plans_are_what_decoding_in_tiles_takes(gpu: Pretending):
    """The 18 latents that a section of the released families decodes, at 608x640."""
    codec = without_data(AutoencoderKLHunyuanVideo, {}, torch.float16, gpu).to("cuda:0")
    codec.enable_tiling()
    latents = torch.zeros(1, 16, 18, 76, 80).to("cuda:0", torch.float16)
    gpu.peak = 0
    with torch.no_grad():
        codec.decode(latents)
    planned = 2 * RELEASED_13B.vae + RELEASED_13B.tile
    assert 0.85 * planned <= gpu.peak / GB <= planned


def without_data(kind: Any, config: dict[str, Any], dtype: torch.dtype, gpu: Pretending) -> Any:
    """A model of class ``kind`` whose weights, on the CPU, take no room."""
    with torch.device("meta"):
        model = kind.from_config(config).eval().requires_grad_(False)
    with gpu.fakes:
        for module in model.modules():
            for name, weight in module._parameters.items():
                if weight is not None:
                    empty = torch.empty(weight.shape, dtype=dtype)
                    module._parameters[name] = torch.nn.Parameter(empty, requires_grad=False)
    return model


@pytest.mark.parametrize(("free", "where"), [(22 * GB, "cuda"), (0, "cpu")])
def test_text_encoder_works_on_the_card_whether_it_fits_there_or_not(
    picture: bytes, gpu: Pretending, free: int, where: str
):
    gpu.free = free
    renderer = families.load("framepack", here(), device="cuda", budget=MemoryBudget(plan="streamed"))
    renderer.encode(picture, (PROMPT,), "")
    encoder = renderer._encoders["text_encoder"]
    assert {weight.device.type for weight in encoder.parameters()} == {where}
    assert works_on(encoder).type == "cuda"


def test_a_mixed_up_device_is_noticed():
    """The test of this test."""
    card, host = torch.zeros(2, device="cuda:0"), torch.zeros(2, 2)
    with pytest.raises(Exception, match="same device"):
        host @ card
    with pytest.raises(RuntimeError, match="dtype"):
        torch.nn.functional.linear(card, host.to("cuda:0", torch.bfloat16))
    assert card.to("cpu").equal(torch.zeros(2))
