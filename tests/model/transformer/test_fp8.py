"""8-bit weights: which layers, how near, and both ways to use them."""

from typing import Any

import pytest
import torch
from torch import nn

from farm.errors import InputError
from model.bench.steps import relative_error
from model.kernels import Kernels
from model.transformer.acceleration import accelerate
from model.transformer.fp8 import FP8, Fp8Linear, multiply_in_fp8, to_fp8
from tests.support.packed import I2V, noise_for, packed_transformer, section_inputs


def layer(scale: float = 1.0) -> nn.Linear:
    """Rows of very different size."""
    torch.manual_seed(0)
    made = nn.Linear(64, 48)
    made.weight.data *= scale * torch.logspace(-5, 0, 48)[:, None]
    return made.requires_grad_(False)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
def test_row_scales_keep_small_rows(scale: float) -> None:
    made = layer(scale)
    rounded, scales = to_fp8(made.weight)
    assert rounded.dtype == FP8 and scales.shape == (48, 1)
    wide = rounded.float() * scales
    worst = ((wide - made.weight).norm(dim=1) / made.weight.norm(dim=1)).max()
    assert worst < 0.04
    assert relative_error(made.weight.to(FP8).float(), made.weight) > worst  # a cast without scales


def test_rows_of_zeros_and_single_rows_stay_finite() -> None:
    rounded, scales = to_fp8(torch.zeros(3, 8))
    assert (rounded.float() * scales).eq(0).all()
    made = Fp8Linear(nn.Linear(16, 16, bias=False))
    assert made.bias is None and torch.isfinite(made(torch.zeros(16))).all()


@pytest.mark.parametrize("shape", [(64,), (5, 64), (2, 7, 64)])
def test_both_ways_are_near_the_layer(shape: tuple[int, ...]) -> None:
    made = layer().bfloat16()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    exact = nn.functional.linear(x.float(), made.weight.float(), made.bias.float())
    small = Fp8Linear(made)
    assert small(x).shape == exact.shape and small(x).dtype == torch.bfloat16
    assert relative_error(small(x), exact) < 0.06
    small.multiplied = True
    assert small(x).shape == exact.shape and relative_error(small(x), exact) < 0.08


@torch.no_grad()
def test_only_layers_of_the_blocks_become_8_bit() -> None:
    packed = packed_transformer()
    inputs = section_inputs(I2V)
    x = noise_for(inputs)
    expected = packed(x, 500.0, inputs)
    packed.use_fp8()
    eight = {name for name, module in packed.named_modules() if isinstance(module, Fp8Linear)}
    assert all("blocks." in name and "norm" not in name for name in eight)
    linear = {name for name, module in packed.named_modules() if type(module) is nn.Linear}
    assert not {name for name in linear if name.startswith(("transformer_blocks", "single")) and "norm" not in name}
    assert {weight.dtype for name, weight in packed.named_parameters() if name.endswith("bias")} == {torch.float32}
    assert 0 < relative_error(packed(x, 500.0, inputs), expected) < 0.2
    assert multiply_in_fp8(packed) == len(eight)


def test_products_are_refused_where_no_card_has_them() -> None:
    packed: Any = packed_transformer()
    with pytest.raises(InputError, match=r"8\.9"):
        accelerate(packed, torch.device("cpu"), torch.float32, Kernels(fp8=True))
