"""What only a real card can show: same bits from every memory plan, 8-bit products, kernels that agree."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import model.families as families
from model.bench.sizes import SIZES, build, noise, section_inputs
from model.bench.steps import relative_error, through_ours
from model.choices import Lora
from model.family import SamplingParams
from model.kernels import BACKENDS, Kernels
from model.memory import MemoryBudget
from model.plan import make_plan
from model.puppet.quality import held_out_puppet, start_image
from model.transformer.acceleration import accelerate, choose_attention, try_attention
from model.transformer.fp8 import Fp8Linear, can_multiply
from tests.support.machine import here
from tests.support.released import released_folder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PROMPT = "The girl dances."
CUDA = torch.device("cuda", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released_folder(tmp_path_factory.mktemp("released"))


@pytest.fixture
def weights(folder: Path, farm_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The family's small weights, and a LoRA named style; the folder of LoRAs."""
    monkeypatch.setenv("FARM_FRAMEPACK_PATH", str(folder))
    loras = farm_home / "loras"
    loras.mkdir(parents=True)
    layer = "transformer.transformer_blocks.0.attn.to_q"
    save_file(
        {f"{layer}.lora_A.weight": torch.randn(2, 32), f"{layer}.lora_B.weight": torch.randn(32, 2)},
        loras / "style.safetensors",
    )
    return loras


def rendered(renderer: Any, picture: bytes, **params: Any) -> torch.Tensor:
    """The only section of a video."""
    info = renderer.info
    plan = make_plan(layout=info.layout, order=info.default_order, seconds=1, seed=1, prompt=PROMPT)
    conditioning = renderer.encode(picture, (PROMPT,), "")
    known = {0: conditioning["start_latent"][:, 0]}
    made: torch.Tensor = renderer.denoise(
        plan.sections[0], known, conditioning, SamplingParams(**({"steps": 4} | params)), lambda done, steps: None
    )
    return made


@pytest.mark.parametrize(
    "plans", [("resident", "transformer", "hot", "streamed"), ("fp8", "streamed-fp8")], ids=["bf16", "fp8"]
)
def test_memory_plans_of_the_same_dtype_give_the_same_bits(
    weights: Path, picture: bytes, plans: tuple[str, ...]
) -> None:
    made = {
        plan: rendered(families.load("framepack", here(), device="cuda", budget=MemoryBudget(plan=plan)), picture)
        for plan in plans
    }
    first = made[plans[0]]
    assert torch.isfinite(first).all() and first.std() > 0
    assert [plan for plan in plans if not made[plan].equal(first)] == []


@pytest.mark.parametrize("plan", ["resident", "streamed", "fp8"])
def test_a_section_repeats_bit_for_bit_also_after_a_lora(weights: Path, picture: bytes, plan: str) -> None:
    renderer = families.load("framepack", here(), device="cuda", budget=MemoryBudget(plan=plan))
    first = rendered(renderer, picture)
    assert not rendered(renderer, picture, loras=(Lora("style", 1.0),)).equal(first)
    assert rendered(renderer, picture).equal(first)


def test_chunks_repeat_bit_for_bit(weights: Path, picture: bytes) -> None:
    renderer = families.load("framepack", here(), device="cuda")
    latents = torch.randn(16, 5, 16, 16, generator=torch.Generator().manual_seed(3))
    first = renderer.decode(latents)
    assert renderer.decode(latents).equal(first)
    assert torch.isfinite(first.float()).all()


@pytest.mark.parametrize("name", [name for name in BACKENDS if not name.endswith("-hub")])
def test_attention_backends_agree(name: str) -> None:
    problem = try_attention(name, CUDA, torch.bfloat16, 128)
    if problem and ("off by" not in problem):
        pytest.skip(f"{name}: {problem}")
    assert problem == ""


def test_the_chosen_attention_agrees_on_a_section() -> None:
    size = SIZES["small"]
    made = build(size, CUDA, torch.bfloat16)
    inputs, x = section_inputs(size, CUDA, torch.bfloat16), noise(size, CUDA, torch.bfloat16)
    with torch.no_grad():
        accelerate(made, CUDA, torch.bfloat16, Kernels("native"))
        plain = through_ours(made, inputs)([500.0])(x, 500.0)
        chosen = accelerate(made, CUDA, torch.bfloat16)
        assert chosen.attention == choose_attention(CUDA, torch.bfloat16, size.head_dim)
        fast = through_ours(made, inputs)([500.0])(x, 500.0)
        assert fast.equal(through_ours(made, inputs)([500.0])(x, 500.0))
    assert relative_error(fast, plain) < 0.02


def test_compiled_blocks_agree() -> None:
    size = SIZES["small"]
    made = build(size, CUDA, torch.bfloat16)
    inputs, x = section_inputs(size, CUDA, torch.bfloat16), noise(size, CUDA, torch.bfloat16)
    with torch.no_grad():
        plain = through_ours(made, inputs)([500.0])(x, 500.0)
        accelerate(made, CUDA, torch.bfloat16, Kernels(compiled=True))
        assert relative_error(through_ours(made, inputs)([500.0])(x, 500.0), plain) < 0.02


@pytest.mark.parametrize(("rows", "inner", "outer"), [(1, 64, 32), (17, 3072, 512), (18485, 3072, 3072)])
def test_8_bit_products_are_as_near_as_8_bits_allow(rows: int, inner: int, outer: int) -> None:
    if not can_multiply(CUDA):
        pytest.skip("this card does not multiply 8-bit floats")
    layer = nn.Linear(inner, outer, device=CUDA, dtype=torch.bfloat16).requires_grad_(False)
    x = torch.randn(rows, inner, device=CUDA, dtype=torch.bfloat16)
    exact = nn.functional.linear(x.float(), layer.weight.float(), layer.bias.float())
    assert relative_error(Fp8Linear(layer)(x), exact) < 0.03
    multiplied = Fp8Linear(layer)
    multiplied.multiplied = True
    assert relative_error(multiplied(x), exact) < 0.05
    assert multiplied(x).equal(multiplied(x))


def test_the_bundled_model_renders_what_it_does_on_a_cpu(farm_home: Path) -> None:
    puppet = held_out_puppet(0)
    params = SamplingParams(steps=8)
    made = {}
    for device in ("cpu", "cuda"):
        renderer = families.load("puppet", here(), device)
        info = renderer.info
        plan = make_plan(layout=info.layout, order="vanilla", seconds=1, seed=1, prompt=puppet.prompt)
        conditioning = renderer.encode(start_image(puppet), (puppet.prompt,), "")
        made[device] = renderer.denoise(
            plan.sections[0],
            {0: conditioning["start_latent"][:, 0]},
            conditioning,
            params,
            lambda done, steps: None,
        )
    assert relative_error(made["cuda"], made["cpu"]) < 0.1
