"""Weights with scales beside them become what they were made of, or are refused with the reason."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from farm.errors import CheckpointError
from model.scales import METADATA, Storage, is_beside, told_by, told_in_header, widened
from tests.model.test_tiles import MADE

ROWS, COLUMNS = 64, 32
WHERE = "checkpoint file a.safetensors: 'b.weight'"


def weights(kind: torch.dtype = torch.float8_e4m3fn) -> torch.Tensor:
    """[ROWS, COLUMNS]."""
    torch.manual_seed(1)
    return (torch.randn(ROWS, COLUMNS) * 40).to(kind)


def scale(*shape: int) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.rand(shape) + 0.5


def spread(scale: torch.Tensor, high: int, wide: int) -> torch.Tensor:
    """A scale of each block as one of each number."""
    return scale.repeat_interleave(high, 0).repeat_interleave(wide, 1)


@pytest.mark.parametrize(
    ("shape", "grid", "told"),
    [
        ((), (1, 1), {}),
        ((1,), (1, 1), {"format": "float8_e4m3fn"}),
        ((ROWS,), (ROWS, 1), {"format": "float8_e4m3fn_rowwise"}),
        ((ROWS, 1), (ROWS, 1), {}),
        ((ROWS, 4, 1), (ROWS, 4), {}),
        ((ROWS, 4), (ROWS, 4), {}),
        ((ROWS // 16, COLUMNS // 16), (4, 2), {}),
        ((ROWS // 8, COLUMNS // 8), (8, 4), {"format": "float8_e4m3fn_blockwise", "group_size": 8}),
        ((ROWS // 32, 1), (2, 1), {"format": "float8_e4m3fn_blockwise", "group_size": 32}),
    ],
    ids=str,
)
def test_scales_are_those_of_whole_rows_blocks_and_tiles(
    shape: tuple[int, ...], grid: tuple[int, int], told: dict[str, Any]
) -> None:
    given = scale(*shape)
    expected = weights().float() * spread(given.reshape(grid), ROWS // grid[0], COLUMNS // grid[1])
    assert widened(weights(), Storage([given], told), WHERE).equal(expected)


def test_a_second_scale_of_the_whole_is_multiplied_in() -> None:
    blocks, whole = scale(ROWS, 2, 1), torch.tensor(0.25)
    expected = weights().float() * spread(blocks[:, :, 0], 1, COLUMNS // 2) * whole
    assert widened(weights(), Storage([blocks, whole]), WHERE).equal(expected)


@pytest.mark.parametrize(("kind", "told"), [(torch.int8, "int8_blockwise"), (torch.uint8, "float8_e4m3fn_blockwise")])
def test_whole_numbers_and_bytes_are_read_as_their_format_says(kind: torch.dtype, told: str) -> None:
    plain = weights(torch.int8) if kind == torch.int8 else weights()
    expected = plain.float() * spread(scale(4, 2), 16, 16)
    storage = Storage([scale(4, 2)], {"format": told, "group_size": 16, "full_precision_matrix_mult": True})
    assert widened(plain.view(kind), storage, WHERE).equal(expected)


def test_filters_of_convolutions_have_scales_of_rows() -> None:
    filters = torch.randn(4, 2, 3, 3)
    assert widened(filters, Storage([scale(4)]), WHERE).equal(filters * scale(4).reshape(4, 1, 1, 1))
    with pytest.raises(CheckpointError, match=r"a scale \[4, 2\]"):
        widened(filters, Storage([scale(4, 2)]), WHERE)


def test_weights_without_scales_stay_as_they_are() -> None:
    plain = weights()
    assert widened(plain, Storage(), WHERE) is plain
    with pytest.raises(CheckpointError, match=r"'b\.weight' is stored as int8 without a scale"):
        widened(weights(torch.int8), Storage(), WHERE)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (scale(ROWS, 3), {}),
        (scale(3, 2), {}),
        (scale(ROWS // 16, COLUMNS // 8), {}),
        (scale(COLUMNS), {}),
        (scale(4, 2), {"format": "float8_e4m3fn_blockwise", "group_size": 8}),
        (scale(ROWS, 1).to(torch.uint8), {}),
        (scale(ROWS, 2).to(torch.float8_e4m3fn), {}),
    ],
    ids=["odd", "tiles that stick out", "oblong", "columns", "another size", "mxfp8 untold", "nvfp4 untold"],
)
def test_layouts_that_are_not_known_are_refused(given: torch.Tensor, told: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"'b\.weight' has a scale \[.* one of the whole weight, of each row"):
        widened(weights(), Storage([given], told), WHERE)


def test_tiles_whose_last_ones_may_stick_out_are_refused() -> None:
    """Tiles of 128 on 192 rows and columns are two by two, as tiles of 96 would be."""
    with pytest.raises(CheckpointError, match="powers of two"):
        widened(torch.ones(192, 192), Storage([scale(2, 2)]), WHERE)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"format": "svdquant"}, "says 'svdquant', which can't be read; use a file with float8_e4m3fn, "),
        ({"format": "int8_tensorwise", "convrot": True}, "says 'int8_tensorwise' with 'convrot', which can't be read"),
        ({"group_size": 8}, "says None, which can't be read"),
    ],
)
def test_formats_that_are_not_known_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        widened(weights(), Storage([scale()], told), WHERE)
    assert widened(weights(), Storage([scale()], {"format": "float8_e4m3fn", "convrot": False}), WHERE) is not None


def test_nvfp4_and_mxfp8_are_read_where_they_are_told() -> None:
    """What the numbers are is compared in ``test_tiles``."""
    named = load_file(MADE)
    blocks, whole = named["nvfp4.weight_scale"], named["nvfp4.weight_scale_2"]
    for kind, scales in (("nvfp4", [blocks, whole]), ("mxfp8", [named["mxfp8.weight_scale"]])):
        told = {"format": kind}
        found = widened(named[f"{kind}.weight"], Storage(scales, told), WHERE)
        assert found.equal(named[f"{kind}.wide"].float())
        for wrong in ([], [scales[0][1:], *scales[1:]], [*scales, torch.ones(())]):
            with pytest.raises(CheckpointError, match=rf"'b\.weight' can't be read as {kind} \(.+\)\.$"):
                widened(named[f"{kind}.weight"], Storage(wrong, told), WHERE)


def test_what_files_tell_is_read_or_refused() -> None:
    told = {"format": "float8_e4m3fn_blockwise", "group_size": 64}
    assert told_by(torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8), WHERE) == told
    assert told_in_header({METADATA: json.dumps({"layers": {"a.b": told}})}, WHERE) == {"a.b": told}
    assert told_in_header(None, WHERE) == told_in_header({"format": "pt"}, WHERE) == {}
    for broken in ("{", "[]", '{"layers": {"a": 1}}'):
        with pytest.raises(CheckpointError, match=f"{METADATA} in its header can't be read"):
            told_in_header({METADATA: broken}, WHERE)
    with pytest.raises(CheckpointError, match="can't be read"):
        told_by(torch.zeros(3, dtype=torch.uint8), WHERE)


def test_what_stands_beside_weights_is_known_by_its_name() -> None:
    beside = ("a.scale_weight", "a.weight_scale", "scaled_fp8", "a.comfy_quant", "a.input_scale", "a.weight_scale_inv")
    assert all(map(is_beside, beside))
    assert not any(map(is_beside, ("a.weight", "a.bias", "a.norm_q.scale", "logit_scale", "a.pre_quant_scale")))
