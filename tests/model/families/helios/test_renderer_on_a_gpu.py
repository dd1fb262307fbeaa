"""Helios on a pretended GPU: devices and dtypes fit together, and memory plans are what it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import model.families as families
from model.families.helios.inputs import HeliosInputs
from model.families.helios.transformer import HeliosTransformer
from model.family import SamplingParams
from model.memory import PLACEMENTS, MemoryBudget, footprint, plan_memory
from model.placement import transformer_move
from model.plan import Given
from model.transformer import SectionMemo, gather_context
from tests.model.families.helios.test_renderer import blank
from tests.model.test_renderer_on_a_gpu import without_data
from tests.support.helios import helios_folder
from tests.support.helios_pipelines import PROMPT, plan_of
from tests.support.machine import here
from tests.support.pretended_cuda import GB, Pretending, pretended_cuda

FAMILY = "helios-distilled"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helios_folder(tmp_path_factory.mktemp("parts"), FAMILY)


@pytest.fixture(autouse=True)
def gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretending]:
    monkeypatch.setenv("FARM_HELIOS_DISTILLED_PATH", str(folder))
    with pretended_cuda() as pretending:
        yield pretending


def test_a_section_is_rendered_with_parts_on_two_devices() -> None:
    renderer = families.load(FAMILY, here(), device="cuda", budget=MemoryBudget(plan="hot"))
    seen: list[torch.Tensor] = []
    conditioning = renderer.encode(blank(FAMILY), (PROMPT,), "blurry")
    assert {tensor.device.type for tensor in conditioning.values()} == {"cpu"}
    section = plan_of(renderer, 2).sections[1]
    known = {slot.latent: torch.randn(16, 8, 16) for slot in section.slots if slot.latent is not None}
    made = renderer.denoise(
        section,
        known,
        conditioning,
        SamplingParams(steps=1, cfg=2.0),
        lambda done, steps: None,
        lambda step: seen.append(renderer.preview(step.x0)),
    )
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)
    frames = renderer.decode(made[:, :1])
    assert (frames.shape, frames.device.type) == ((1, 64, 128, 3), "cpu")
    assert {picture.device.type for picture in seen} == {"cpu"}


@pytest.mark.soak
@pytest.mark.parametrize("name", ["hot", "transformer"])
def test_memory_plans_are_what_the_14b_transformer_takes(gpu: Pretending, name: str) -> None:
    """Allocations of two steps at 384x640 are counted; the plan may be a little above them, never below."""
    card = torch.device("cuda:0")
    transformer = without_data(HeliosTransformer, {}, torch.bfloat16, gpu)
    transformer.keep_phases_exact()
    transformer_move(transformer, PLACEMENTS[name], card)(card)
    section = plan_of(families.load(FAMILY, here()), 4, Given(start_image=False)).sections[3]
    known = {slot.latent: torch.zeros(16, 48, 80) for slot in section.slots}
    context = gather_context(section.slots, known, 16, 48, 80)
    inputs = HeliosInputs(torch.zeros(1, 512, 4096), tuple(range(20, 29)), context).on(card, torch.bfloat16)
    x = torch.zeros(1, 16, 9, 48, 80).to(card, torch.bfloat16)
    memo = SectionMemo([999.0, 500.0])
    gpu.peak = 0
    with torch.no_grad():
        for time in memo.timesteps:
            transformer(x, time, inputs, memo)
    helios = footprint("helios")
    planned = plan_memory(helios, 100, 100, smallest=name).rows[0].card + helios.activations
    assert 0.85 * planned <= gpu.peak / GB <= planned
