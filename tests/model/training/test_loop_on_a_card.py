"""Training on a card that is only pretended: devices and dtypes fit together, and memory is what the plans say."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from model.conditioning import prompt_key
from model.facts import family_facts
from model.families.framepack.packing import section_inputs
from model.memory import CUDA_CONTEXT, Footprint, footprint
from model.plan import make_plan
from model.training.config import Data, LoraShape, Recipe
from model.training.flow import flow_loss
from model.training.loop import train
from model.training.lora import add_lora, trained
from model.training.memory import Shape, TrainingPlan, plan_training
from model.training.prepare import prepare
from model.training.swapping import Ferry, SwappedBlock, swap_blocks
from model.transformer import PackedTransformer
from tests.support.machine import here
from tests.support.pretended_cuda import GB, pretended_cuda

SHORT = """
[lora]
rank = 2
[learning]
steps = 1
memory = "streamed-fp8"
sample_every = 1
[[samples]]
image = "start.png"
prompt = "She waits."
steps = 1
"""
META = torch.device("meta")


@pytest.mark.soak
def test_the_smallest_memory_plan_goes_forward_and_renders_samples(
    recipe: Callable[..., Recipe], shown: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's engine goes backwards on no card that is not there."""
    picture = Data(file=shown / "clips" / "b.png", caption="All red.")
    monkeypatch.setenv("FARM_ATTENTION", "native")
    stream = SimpleNamespace(record_event=lambda: None, wait_event=lambda event: None, synchronize=lambda: None)
    with pretended_cuda(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "Stream", lambda *args: stream)
        patch.setattr(torch.cuda, "current_stream", lambda device=None: stream)
        patch.setattr(torch.Tensor, "record_stream", lambda self, stream: None)
        patch.setattr(torch.Tensor, "backward", lambda self: None)
        prepared = prepare(recipe(SHORT).model_copy(update={"data": (picture,)}), here(), "cuda", cache)
        assert prepared.plan.name == "streamed-fp8"
        file = train(prepared, tmp_path / "out", "cuda")
    assert file.name == "bar.safetensors" and len(list((tmp_path / "out" / "samples").iterdir())) == 2


class Counting(TorchDispatchMode):
    """Counts the bytes that tensors without data take. ``peak``: the most so far; may be set anew."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._used = 0
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def ignore(self, model: torch.nn.Module) -> None:
        """Count nothing of ``model``'s weights: views of them are no new memory."""
        for weight in model.parameters():
            storage = weight.untyped_storage()
            self._used -= self._storages.pop(storage._cdata, (None, 0))[1]
            self._storages[storage._cdata] = (StorageWeakRef(storage), 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return tree_map_only(torch.Tensor, self._counted, func(*args, **(kwargs or {})))

    def _counted(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.is_meta and (storage._cdata not in self._storages or self._storages[storage._cdata][0].expired()):
            self._used += storage.nbytes() - self._storages.get(storage._cdata, (None, 0))[1]
            self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
            if self._used > self.peak:
                for key in [key for key, (reference, _) in self._storages.items() if reference.expired()]:
                    self._used -= self._storages.pop(key)[1]
                self.peak = max(self.peak, self._used)
        return tensor


class Fused(torch.autograd.Function):
    """Attention as a fused kernel: it keeps its inputs and its result, and no matrix of scores."""

    @staticmethod
    def forward(ctx: Any, *inputs: torch.Tensor) -> torch.Tensor:
        result = torch.empty_like(inputs[0])
        ctx.save_for_backward(*inputs, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """A card whose tensors have no data, and are counted; copies of what waits on the host too."""

    def copies(ferry: Ferry, index: int) -> dict[str, torch.Tensor]:
        named = ferry._blocks[index].named_parameters()
        return {name: torch.empty_like(weight) for name, weight in named if not weight.requires_grad}

    def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> Any:
        return Fused.apply(query, key, value)

    whole = torch.Tensor.__int__
    monkeypatch.setattr(Ferry, "_copies", copies)
    monkeypatch.setattr(torch.Tensor, "__int__", lambda self: 256 if self.is_meta else whole(self))
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attention)
    with Counting() as mode:
        yield mode


@pytest.mark.parametrize("name", ["resident", "streamed-fp8"])
def test_memory_plans_are_what_blocks_of_the_released_size_take(counting: Counting, name: str) -> None:
    """Allocations of a step at 608x640 with three blocks; the plan may be a little above them, never below."""
    config = {**family_facts("framepack")["transformer_config"], "num_layers": 1, "num_single_layers": 2}
    with torch.device(META):
        transformer = PackedTransformer(**config).to(torch.bfloat16).requires_grad_(False)
    plan = plan_training(footprint_of(transformer), Shape(3, 3072, 18_900, rank=16), 60, 64, name=name)
    if plan.fp8:
        transformer.use_fp8()
    transformer.proj_out.float()
    counting.ignore(transformer)
    taken = peak_of_a_step(transformer, plan, counting)
    assert 0.85 * plan.card <= taken + CUDA_CONTEXT <= plan.card, (plan, taken)


def footprint_of(transformer: PackedTransformer) -> Footprint:
    """Of a transformer with blocks of the released size."""
    billions = {name: weight.numel() / 1e9 for name, weight in transformer.named_parameters()}
    block = sum(size for name, size in billions.items() if name.startswith("transformer_blocks.0."))
    ahead = sum(size for name, size in billions.items() if "_blocks." not in name or ".norm" in name)
    known = footprint("framepack")
    return replace(known, hot=sum(billions.values()) - ahead, ahead=ahead, block=block)


def peak_of_a_step(transformer: PackedTransformer, plan: TrainingPlan, counting: Counting) -> float:
    """GB that a LoRA of rank 16, its second step and the weights take on the card."""
    learnt = trained(add_lora(transformer, LoraShape(rank=16), seed=0))
    if plan.swapped:
        swap_blocks(transformer, plan.swapped, META)
    transformer.enable_gradient_checkpointing()
    optimizer = torch.optim.AdamW(learnt.values(), foreach=True)
    section = make_plan(layout=family_facts("framepack")["layout"], order="inverted", seconds=5, seed=1, prompt="")
    known = {frame: torch.zeros(16, 76, 80) for frame in range(37)}
    told = {"text": torch.zeros(256, 4096), "mask": torch.ones(256, dtype=torch.bool), "pooled": torch.zeros(768)}
    conditioning = {f"{name}.{prompt_key('')}": tensor for name, tensor in told.items()}
    conditioning["image"] = torch.zeros(729, 1152)
    inputs = section_inputs(replace(section.sections[1], prompt=""), known, conditioning, 9984.0)
    inputs = inputs.on(META, torch.bfloat16)
    clean = torch.zeros(1, 16, 9, 76, 80, device=META)
    for _ in range(2):
        counting.peak = 0
        flow_loss(transformer, inputs, clean, clean, 0.5, torch.bfloat16).backward()
        optimizer.step()
        optimizer.zero_grad()
    blocks = [block for block in transformer.modules() if isinstance(block, SwappedBlock)]
    waiting = [frozen_bytes(block) for block in blocks]
    ahead = max(waiting, default=0)  # the next block's copy, which comes while one works
    return (counting.peak + frozen_bytes(transformer) - sum(waiting) + ahead) / GB


def frozen_bytes(module: torch.nn.Module) -> int:
    return sum(weight.nbytes for weight in module.parameters() if not weight.requires_grad)
