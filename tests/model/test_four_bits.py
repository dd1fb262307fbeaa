"""What bitsandbytes put into 4 bits is read without it, to the bits that it gives itself."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from farm.errors import CheckpointError
from model.checkpoint import open_part
from model.four_bits import unpacked, weight_of
from model.loras.pairs import shapes_of
from model.single_file import read_single_file
from model.transformer import PackedTransformer
from model.weights import read_header
from tests.model.test_single_file import config_of
from tests.support.machine import here
from tests.support.packed import packed_transformer

MADE = Path(__file__).parent / "bitsandbytes.safetensors"
"""Matrices that bitsandbytes 0.50.2 packed on a CPU, and beside each, as ``wide``, what it made of that again: NF4 and
FP4, with scales in 32 and in 8 bits (``nested``), of whole blocks of 64 and with a last one that is shorter."""
KINDS = ("nf4", "fp4", "nf4-nested", "fp4-nested", "nf4-short")


def packed(kind: str) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """A matrix in bytes, what stands beside it, and its numbers."""
    named = load_file(MADE)
    own = f"{kind}.weight"
    beside = {name.removeprefix(f"{own}."): tensor for name, tensor in named.items() if weight_of(name) == own}
    return named[own], beside, named[f"{kind}.wide"]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_the_library(kind: str) -> None:
    weight, beside, wide = packed(kind)
    assert ("nested_absmax" in beside) == ("nested" in kind)
    assert unpacked(weight, beside, "").equal(wide)


def test_what_does_not_belong_together_is_refused() -> None:
    weight, beside, _ = packed("nf4-nested")
    state = "quant_state.bitsandbytes__nf4"
    for wrong in (
        {state: torch.zeros(4, dtype=torch.uint8)},
        {"absmax": beside["absmax"][:-1]},
        {"quant_map": beside["quant_map"][:3]},
    ):
        with pytest.raises(CheckpointError, match=r"a\.weight can't be read as 4 bits of bitsandbytes \(.+\)\.$"):
            unpacked(weight, beside | wrong, "a.weight")
    for lacking in (state, "absmax", "quant_map", "nested_quant_map"):
        rest = {name: tensor for name, tensor in beside.items() if name != lacking}
        with pytest.raises(CheckpointError, match="can't be read as 4 bits"):
            unpacked(weight, rest, "a.weight")


def to_nf4(weights: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Matrices of the blocks in the 4 bits of a file, one scale for all of each; and what they mean."""
    _, beside, _ = packed("nf4")
    table = beside["quant_map"]
    made, meant = dict(weights), dict(weights)
    for name, weight in weights.items():
        if weight.ndim == 2 and "blocks." in name:
            scale = weight.abs().max()
            codes = (weight.reshape(-1, 1) / scale - table).abs().argmin(dim=1).to(torch.uint8)
            told = f'{{"quant_type": "nf4", "blocksize": {weight.numel()}, "shape": {list(weight.shape)}}}'
            made[name] = (codes[::2] << 4 | codes[1::2])[:, None]
            made[f"{name}.absmax"], made[f"{name}.quant_map"] = scale.reshape(1), table.clone()
            made[f"{name}.quant_state.bitsandbytes__nf4"] = torch.tensor(list(told.encode()), dtype=torch.uint8)
            meant[name] = (table[codes.int()] * scale).reshape(weight.shape)
    return made, meant


def test_transformer_of_4_bits_is_read_and_known_by_its_shapes(tmp_path: Path) -> None:
    transformer = packed_transformer()
    weights = transformer.state_dict()
    made, meant = to_nf4(weights)
    file = tmp_path / "FramePackI2V_HY_nf4.safetensors"
    save_file({f"model.diffusion_model.{name}": tensor for name, tensor in made.items()}, file)
    read = read_single_file(PackedTransformer, file, config_of(transformer), torch.float32).state_dict()
    assert read.keys() == weights.keys()
    assert all(read[name].equal(tensor) for name, tensor in meant.items())
    shapes = shapes_of([file])
    assert all(shapes[name] == tuple(weight.shape) for name, weight in weights.items())
    numbers = sum(weight.numel() for weight in weights.values())
    assert numbers < open_part("transformer", file, ("", ""), "", "", here()).numbers < 1.5 * numbers


def test_header_whose_state_is_broken_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"a.weight.quant_state.bitsandbytes__nf4": torch.zeros(4, dtype=torch.uint8)}, file)
    with pytest.raises(CheckpointError, match=r"bitsandbytes__nf4' can't be read .* get it again"):
        read_header(file, "get it again")
