"""What is worked out once per section, and that nothing about it changes a bit."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from model.caches.tea import tea_cache
from model.transformer import PackedTransformer, SectionMemo
from model.transformer.modulation import modulation_norms
from tests.support.packed import I2V, noise_for, packed_transformer, section_inputs

TIMES = (1000.0, 875.5, 600.0)


@pytest.fixture
def packed() -> PackedTransformer:
    return packed_transformer()


def count_calls(modules: dict[str, nn.Module]) -> Counter[str]:
    calls: Counter[str] = Counter()
    for name, module in modules.items():
        module.register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
    return calls


def run(packed: Any, memo: SectionMemo | None, seed: int = 1) -> list[torch.Tensor]:
    inputs = section_inputs(I2V, seed=seed)
    x = noise_for(inputs)
    with torch.no_grad():
        return [packed(x, time, inputs, memo) for time in TIMES]


def equal(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(a.equal(b) for a, b in zip(left, right, strict=True))


@torch.no_grad()
def test_constants_are_worked_out_once_for_all_steps_and_branches(packed: Any) -> None:
    positive = section_inputs(I2V)
    negative = replace(positive, text=positive.text + 1, pooled=positive.pooled + 1)
    x = noise_for(positive)
    plain = [packed(x, time, inputs) for time in TIMES for inputs in (positive, negative)]
    modules = {
        "k1": packed.clean_x_embedder.proj,
        "image": packed.image_projection,
        "rope": packed.rope,
        "refiner": packed.context_embedder,
        "modulation": packed.transformer_blocks[0].norm1.linear,
        "output": packed.norm_out.linear,
        "block": packed.transformer_blocks[0],
    }
    calls = count_calls(modules)
    memo = SectionMemo(TIMES)
    packed(x, TIMES[0], positive, memo)
    first = dict(calls)
    assert first == {"k1": 1, "image": 1, "rope": 5, "refiner": 3, "modulation": 3, "output": 3, "block": 1}
    again = [packed(x, time, inputs, memo) for time in TIMES for inputs in (positive, negative)]
    assert equal(again, plain)
    branch = {"refiner": 6, "modulation": 6, "output": 6, "block": 7}
    assert calls == first | branch


@torch.no_grad()
def test_timestep_that_was_not_announced_is_worked_out_when_it_comes(packed: Any) -> None:
    inputs = section_inputs(I2V)
    x = noise_for(inputs)
    assert packed(x, 333.0, inputs, SectionMemo(TIMES)).equal(packed(x, 333.0, inputs))


def test_transformer_is_whole_again_after_a_step_and_after_an_error(packed: Any) -> None:
    before = dict(packed.named_modules())
    run(packed, SectionMemo(TIMES))
    assert dict(packed.named_modules()) == before
    broken = packed.single_transformer_blocks[0].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(packed, SectionMemo(TIMES))
    broken.remove()
    assert dict(packed.named_modules()) == before


def test_weights_of_constants_are_not_needed_after_the_first_step(packed: Any) -> None:
    """As on a small GPU, where they stay behind: here they are lost for good."""
    expected = run(packed, None)
    inputs = section_inputs(I2V)
    x = noise_for(inputs)
    memo = SectionMemo(TIMES)
    with torch.no_grad():
        packed(x, TIMES[0], inputs, memo)
        packed.place("cpu", constants_on="meta")
        assert sum(weight.numel() for weight in packed.parameters() if weight.device.type == "meta") > 1000
        assert equal([packed(x, time, inputs, memo) for time in TIMES], expected)


def test_placing_keeps_every_weight(packed: Any) -> None:
    before = {name: weight.clone() for name, weight in packed.state_dict().items()}
    packed.place("cpu", constants_on="cpu")
    assert all(weight.equal(before[name]) for name, weight in packed.state_dict().items())
    packed.place("meta", constants_on="cpu")
    here = {name for name, weight in packed.named_parameters() if weight.device.type == "cpu"}
    assert {name.split(".")[0] for name in here if ".norm" not in name} == {
        "clean_x_embedder",
        "image_projection",
        "context_embedder",
        "time_text_embed",
        "norm_out",
    }
    assert all(norm.linear.weight.device.type == "cpu" for norm in modulation_norms(packed))
    assert packed.transformer_blocks[0].attn.to_q.weight.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_constants_left_on_the_cpu_give_the_same_bits_on_the_gpu(packed: Any) -> None:
    inputs = section_inputs(I2V).on("cuda", torch.float32)
    x = noise_for(inputs).cuda()
    packed.place("cuda")
    with torch.no_grad():
        expected = [packed(x, time, inputs, SectionMemo(TIMES)) for time in TIMES]
        packed.place("cuda", constants_on="cpu")
        memo = SectionMemo(TIMES)
        assert equal([packed(x, time, inputs, memo) for time in TIMES], expected)


def test_tea_cache_that_never_skips_gives_the_same_bits(packed: Any) -> None:
    expected = run(packed, None)
    with tea_cache(packed, len(TIMES), 1e-9):
        assert equal(run(packed, SectionMemo(TIMES)), expected)


def test_lora_on_modulations_counts_and_leaves_no_trace(packed: Any) -> None:
    from peft import LoraConfig

    plain = run(packed, SectionMemo(TIMES))
    packed.add_adapter(LoraConfig(r=2, target_modules=["norm1.linear", "to_q", "proj"], init_lora_weights=False))
    adapted = run(packed, None)
    assert not equal(adapted, plain)
    assert equal(run(packed, SectionMemo(TIMES)), adapted)
    packed.delete_adapters("default")
    assert equal(run(packed, SectionMemo(TIMES)), plain)


def test_group_offloading_gives_the_same_bits(packed: Any) -> None:
    """Blocks and constants arrive with their hooks; on the CPU the hooks run though nothing moves."""
    expected = run(packed, None)
    packed.enable_group_offload(onload_device=torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1)
    assert equal(run(packed, SectionMemo(TIMES)), expected)


def test_diffusers_cache_hooks_see_every_block(packed: Any) -> None:
    from diffusers import FirstBlockCacheConfig

    expected = run(packed, None)
    packed.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    with packed.cache_context("positive"):
        assert equal(run(packed, SectionMemo(TIMES)), expected)
    packed._reset_stateful_cache()
    packed.disable_cache()
    packed.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    calls = count_calls({"last": packed.single_transformer_blocks[-1].attn})
    with packed.cache_context("positive"):
        assert not equal(run(packed, SectionMemo(TIMES)), expected)
    assert calls["last"] == 1


def test_8_bit_layers_share_constant_work_too(packed: Any) -> None:
    packed.use_fp8()
    assert equal(run(packed, SectionMemo(TIMES)), run(packed, None))


def test_gpu_memory_counts_of_the_released_size() -> None:
    """13B: a quarter of the weights are modulations; what the steps need is 18.15 of 25.75 GB in bf16."""
    with torch.device("meta"):
        big = PackedTransformer(has_image_proj=True, has_clean_x_embedder=True)
    total = sum(weight.numel() for weight in big.parameters())
    modulations = sum(weight.numel() for norm in modulation_norms(big) for weight in norm.linear.parameters())
    constants = sum(weight.numel() for _, module in big._constant_modules() for weight in module.parameters())
    assert total == 12_874_314_816
    assert round(modulations / total, 2) == 0.27
    assert round((total - modulations - constants) * 2 / 1e9, 1) == 18.1
