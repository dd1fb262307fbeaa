"""What ComfyUI put into NVFP4 and MXFP8 is read without its kernels, to the bits that they give."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import open_part
from model.tiles import from_tiles
from model.weights import read_header
from tests.support.machine import here

MADE = Path(__file__).parent / "comfy_kitchen.safetensors"
"""A matrix in each format, of more rows and blocks than one tile has, made by comfy-kitchen 0.2.40 on a CPU, and beside
it, as ``wide``, what its ``dequantize_nvfp4`` and ``dequantize_mxfp8`` made of that again."""


@pytest.mark.parametrize("kind", ["nvfp4", "mxfp8"])
def test_numbers_are_those_of_the_library(kind: str) -> None:
    named = load_file(MADE)
    weight, scales = named[f"{kind}.weight"], [named[name] for name in sorted(named) if f"{kind}.weight_scale" in name]
    assert scales[0].shape == (256, 8)
    wide = from_tiles(weight, kind, scales)
    assert wide.dtype == torch.float32 and wide.equal(named[f"{kind}.wide"].float())
    assert from_tiles(weight.view(torch.uint8), kind, scales).equal(wide)


def test_header_tells_the_shape_of_what_lies_two_in_a_byte(tmp_path: Path) -> None:
    named = {name: tensor for name, tensor in load_file(MADE).items() if name.startswith("nvfp4.weight")}
    file = tmp_path / "model.safetensors"
    save_file(named, file)
    entry = read_header(file, "")["nvfp4.weight"]
    assert (entry.dtype, entry.shape) == ("NVFP4", (144, 80))
    scales = named["nvfp4.weight_scale"].numel() + 1
    assert open_part("transformer", file, ("", ""), "", "", here()).numbers == 144 * 80 + scales
