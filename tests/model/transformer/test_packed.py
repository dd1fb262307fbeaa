"""The packed transformer beside diffusers' class, and on layouts that only it knows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import HunyuanVideoFramepackTransformer3DModel
from torch import nn

from farm.errors import InputError
from model.plan.layout import Kernel, Layout
from model.transformer import PackedTransformer, SectionMemo, extra_kernels
from model.transformer.patchify import average_pool
from tests.support.packed import (
    F1,
    I2V,
    diffusers_flow,
    diffusers_twin,
    noise_for,
    packed_transformer,
    section_inputs,
)

SIZES = [(12, 20), (8, 8), (10, 22)]


@pytest.fixture(scope="module")
def packed() -> PackedTransformer:
    return packed_transformer()


@pytest.fixture(scope="module")
def twin(packed: PackedTransformer) -> Any:
    return diffusers_twin(packed)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", [I2V, F1])
@torch.no_grad()
def test_released_layouts_give_diffusers_bits(packed: Any, twin: Any, layout: str, size: tuple[int, int]) -> None:
    inputs = section_inputs(layout, size=size)
    x = noise_for(inputs)
    expected = diffusers_flow(twin, x, 994.1, inputs)
    assert packed(x, 994.1, inputs).equal(expected)
    assert packed(x, 994.1, inputs, SectionMemo([1000.0, 994.1])).equal(expected)


@pytest.mark.parametrize("layout", [I2V, F1])
@torch.no_grad()
def test_batch_of_unequal_texts_gives_diffusers_bits(packed: Any, twin: Any, layout: str) -> None:
    inputs = section_inputs(layout, text_lengths=(5, 2, 7))
    x = noise_for(inputs)
    expected = diffusers_flow(twin, x, 500.0, inputs)
    assert packed(x, 500.0, inputs).equal(expected)
    assert packed(x, 500.0, inputs, SectionMemo([500.0])).equal(expected)


@torch.no_grad()
def test_row_of_a_batch_is_what_it_is_alone(packed: Any) -> None:
    both = section_inputs(I2V, text_lengths=(3, 6))
    x = noise_for(both)
    rows = packed(x, 700.0, both)
    for row, length in enumerate((3, 6)):
        one = slice(row, row + 1)
        alone = replace(
            both,
            text=both.text[one],
            text_mask=both.text_mask[one],
            pooled=both.pooled[one],
            image=both.image[one],
            guidance=both.guidance[one],
            context=tuple(replace(group, latents=group.latents[one]) for group in both.context),
        )
        assert int(alone.text_mask.sum()) == length
        torch.testing.assert_close(packed(x[one], 700.0, alone), rows[one], atol=1e-5, rtol=1e-5)


def test_each_row_can_have_its_own_timestep_and_learn(packed: Any) -> None:
    learning = packed_transformer().requires_grad_(True)
    inputs = section_inputs(I2V, text_lengths=(3, 6))
    x = noise_for(inputs)
    flow = learning(x, torch.tensor([900.0, 100.0]), inputs)
    with torch.no_grad():
        torch.testing.assert_close(flow[:1], packed(x, 900.0, inputs)[:1])
        torch.testing.assert_close(flow[1:], packed(x, 100.0, inputs)[1:])
    flow.square().mean().backward()
    assert all(weight.grad is not None for weight in learning.parameters())


def test_state_dicts_and_folders_load_strictly_both_ways(packed: Any, twin: Any, tmp_path: Path) -> None:
    packed.load_state_dict(twin.state_dict(), strict=True)
    twin.save_pretrained(tmp_path / "diffusers")
    loaded, report = PackedTransformer.from_pretrained(tmp_path / "diffusers", output_loading_info=True)
    assert not any(report.values())
    packed.save_pretrained(tmp_path / "packed")
    back, report = HunyuanVideoFramepackTransformer3DModel.from_pretrained(
        tmp_path / "packed", output_loading_info=True
    )
    assert not any(report.values())
    for name, weight in packed.state_dict().items():
        assert loaded.state_dict()[name].equal(weight) and back.state_dict()[name].equal(weight)


def test_extra_kernels_survive_saving(tmp_path: Path) -> None:
    packed = packed_transformer(extra_kernels=("k8", "k1h4w2"))
    packed.extra_x_embedders["k8"].weight.add_(1)
    packed.save_pretrained(tmp_path)
    loaded, report = PackedTransformer.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert tuple(loaded.config.extra_kernels) == ("k8", "k1h4w2")
    for name, weight in packed.state_dict().items():
        assert loaded.state_dict()[name].equal(weight)


@pytest.mark.parametrize("name", ["k8", "k1h4w2", "k2h8w4", "k4h4w4", "k16h8w8"])
def test_new_kernel_begins_as_average_pooling_then_base_patchify(packed: Any, name: str) -> None:
    fresh = packed_transformer(extra_kernels=(name,))
    kernel = Kernel.parse(name)
    latents = torch.randn(1, 4, 16, 16, 32, generator=torch.Generator().manual_seed(0))
    base = packed.clean_x_embedder.proj
    expected = base(average_pool(latents, (kernel.t, kernel.h // 2, kernel.w // 2)))
    torch.testing.assert_close(fresh.extra_x_embedders[name](latents), expected, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_k16_is_pooled_by_two_and_shares_the_patchify_of_k8() -> None:
    packed = packed_transformer()
    packed.add_kernels(extra_kernels(Layout.parse("td_f32k16_g2")))
    assert list(packed.extra_x_embedders) == ["k8"]
    inputs = section_inputs("td_f32k16_g2", start=33, past_end=33, size=(64, 32))
    tokens, _ = packed._pack(inputs, 64, 32, torch.device("cpu"))
    latents = inputs.context[0].latents
    expected = packed.clean_x_embedder.proj(average_pool(latents, (16, 16, 16))).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens[0], expected, atol=1e-6, rtol=1e-5)


LAYOUTS = [
    "td_f64k8f16k4f4k2f1k1_g9",
    "f1k1_x_g9_f1k1f8k2f64k8f512k16_td",
    "f1k1_x_f4k4f2k2f1k1_x_g9_x_f1k1f2k2f4k4_td",  # contexts on both sides
    "td_f1k1h8w8f1k1h8w4f1k1h4w4f1k1h4w2f1k1_g9",  # geometric, figure 1a
    "td_f3k1h8w8f3k1h4w4f1k1_g9",  # duplicated levels, 1b
    "td_f16k16h8w8f8k8h8w4f4k4h4w4f2k2h4w4f1k1_g3",  # temporal kernels, 1c
    "f1k1_x_td_f1k1h8w4f1k1h4w4f1k1h4w2f1k1_g9",  # important start, 1d
    "f1k1_x_td_f1k1h4w2f1k1h4w4f1k1h4w2f1k1_g9",  # symmetric, 1e
    "ta_f16k4f2k2f1k1_g9",
    "tc_f16k4f2k2f1k1_g9_x_f1k1",
    "f1k1_x_g9_f1k1f2k2f16k4_ta",
    "f1k1_x_g9_f1k1f2k2f16k4_tc",
    "g4",
]


@pytest.mark.parametrize("text", LAYOUTS)
@torch.no_grad()
def test_any_layout_runs_with_its_token_count_and_every_frame_matters(text: str) -> None:
    layout = Layout.parse(text)
    packed = packed_transformer(num_single_layers=1)
    packed.add_kernels(extra_kernels(layout))
    inputs = section_inputs(text, size=(8, 12), past_end=37, video_end=640 if "f512" in text else 91)
    x = torch.randn(1, 4, layout.window, 8, 12, generator=torch.Generator().manual_seed(3))
    context, (cos, sin) = packed._pack(inputs, 8, 12, x.device)
    pooled = sum(-(-8 // 64) * -(-12 // 64) * len(g.indices) for g in inputs.context if g.pool == (1, 32, 32))
    averaged = sum(1 * 2 for g in inputs.context if g.pool[0] > 1)  # one frame through k4: 1 x 2 tokens
    assert cos.shape == sin.shape == (layout.tokens(8, 12) + pooled + averaged, 12)
    assert sum(tokens.shape[1] for tokens in context) == len(cos) - layout.window * 4 * 6
    flow = packed(x, 800.0, inputs)
    assert flow.shape == x.shape and flow.isfinite().all()
    for i, group in enumerate(inputs.context):
        changed = list(inputs.context)
        changed[i] = replace(group, latents=group.latents + 1)
        assert not packed(x, 800.0, replace(inputs, context=tuple(changed))).equal(flow), str(group.kernel)


@torch.no_grad()
def test_phases_are_averaged_over_the_footprint_of_frames_that_are_not_adjacent(packed: Any) -> None:
    inputs = section_inputs("td_f4k4_g1", start=5, past_end=5, size=(8, 16))
    indices = (0, 3, 3, 20)
    scattered = replace(inputs, context=(replace(inputs.context[0], indices=indices),))
    _, (cos, sin) = packed._pack(scattered, 8, 16, torch.device("cpu"))
    for phases, function in ((cos, torch.cos), (sin, torch.sin)):
        for column in range(2):
            grid = torch.cartesian_prod(
                torch.tensor(indices, dtype=torch.float32), torch.arange(4.0), torch.arange(4.0) + 4 * column
            )
            turns = 1 / 256 ** (torch.arange(0, 4, 2) / 4)
            angles = torch.cat([(axis[:, None] * turns).repeat_interleave(2, dim=1) for axis in grid.T], dim=1)
            torch.testing.assert_close(phases[column], function(angles).mean(dim=0))


@torch.no_grad()
def test_averaged_tail_is_its_mean_frame_and_appended_tail_one_token_a_frame(packed: Any) -> None:
    cpu = torch.device("cpu")
    inputs = section_inputs("tc_f1k2_g9", start=30, past_end=30, size=(8, 12))
    tail = inputs.context[0]
    assert tail.pool == (29, 1, 1) and tail.indices == (0, 0, 0, *range(1, 27))
    tokens, _ = packed._pack(inputs, 8, 12, cpu)
    mean = tail.latents.mean(dim=2, keepdim=True).expand(-1, -1, 2, -1, -1)
    expected = packed.clean_x_embedder.proj_2x(mean).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens[0], expected, atol=1e-6, rtol=1e-5)

    inputs = section_inputs("ta_f1k2_g1", start=30, past_end=30, size=(64, 64))
    tokens, _ = packed._pack(inputs, 64, 64, cpu)
    pooled = average_pool(inputs.context[0].latents, (1, 32, 32))
    torch.testing.assert_close(tokens[0], packed.clean_x_embedder.proj(pooled).flatten(2).transpose(1, 2))
    assert tokens[0].shape[1] == 29


def test_no_layer_of_torch_is_replaced(packed: Any) -> None:
    """The official program swaps the forward pass of torch's norms for every model in the process."""
    norms = [module for module in packed.modules() if isinstance(module, nn.LayerNorm)]
    assert norms and not any("forward" in vars(norm) for norm in norms)
    for kind in (nn.LayerNorm, nn.RMSNorm):
        assert kind.forward.__module__ == "torch.nn.modules.normalization"


@torch.no_grad()
def test_section_without_an_image_runs(packed: Any) -> None:
    inputs = section_inputs(I2V)
    x = noise_for(inputs)
    without = packed(x, 500.0, replace(inputs, image=None))
    assert without.isfinite().all() and not without.equal(packed(x, 500.0, inputs))


@torch.no_grad()
def test_transformer_that_was_never_packed_gets_the_released_kernels_and_others() -> None:
    """Which begin as average-pooling and then the window's own projection; its file is then one of FramePack's."""
    packed = packed_transformer(has_clean_x_embedder=False)
    assert packed.clean_x_embedder is None
    inputs = section_inputs("td_f8k8f4k4f2k2f1k1_g9", size=(16, 16))
    with pytest.raises(InputError, match="no patchify parameters"):
        packed(noise_for(inputs), 500.0, inputs)
    packed.add_kernels(["k8", "k1"])
    assert packed.config.has_clean_x_embedder and set(packed.extra_x_embedders) == {"k8"}
    assert packed(noise_for(inputs), 500.0, inputs).isfinite().all()
    base, clean = packed.x_embedder.proj, packed.clean_x_embedder
    frames = torch.randn(1, 4, 4, 16, 16)
    assert clean.proj(frames).equal(base(frames))
    pooled = torch.nn.functional.avg_pool3d(frames, (4, 4, 4))
    torch.testing.assert_close(clean.proj_4x(frames), base(pooled), atol=1e-5, rtol=1e-4)


def test_kernel_without_parameters_is_named(packed: Any) -> None:
    inputs = section_inputs("td_f8k8_g1")
    with pytest.raises(InputError, match="kernel k8"):
        packed(noise_for(inputs), 500.0, inputs)


@pytest.mark.parametrize("name", ["k1h3w2", "k16", "k8h64w64", "k3h3", "8"])
def test_kernel_that_can_have_no_parameters_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        packed_transformer().add_kernels([name])
