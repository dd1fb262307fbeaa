"""Weights in NVFP4 and MXFP8, as ComfyUI stores them (the layouts of comfy-kitchen), widened exactly.

Each 16 or 32 numbers of a row have a scale of 8 bits. Scales lie in the order in which tensor cores read them: in tiles
of 128 rows by 4, and in a tile as 32 by 4 by 4.
"""

from collections.abc import Sequence

import torch

FORMATS = {"nvfp4": 16, "mxfp8": 32}
"""How many numbers have one scale."""

_HALF = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
_FP4 = torch.cat((_HALF, -_HALF))
"""What 4 bits stand for."""


def from_tiles(weight: torch.Tensor, kind: str, scales: Sequence[torch.Tensor]) -> torch.Tensor:
    """[rows, columns] in fp32.

    Args:
        weight: of NVFP4 two numbers in a byte [rows, columns / 2], the first in its upper half; of MXFP8 8-bit floats.
        kind: one of ``FORMATS``.
        scales: those of blocks, in whole tiles; of NVFP4 also that of the whole weight.

    Raises:
        ValueError, RuntimeError: they don't belong together.
    """
    fours = kind == "nvfp4"
    if len(scales) != 1 + fours or weight.ndim != 2:
        raise ValueError(f"{len(scales)} scales in place of {1 + fours}, of weights {list(weight.shape)}")
    if fours:
        pairs = weight.view(torch.uint8)
        numbers = _FP4[torch.stack((pairs >> 4, pairs & 15), dim=2).flatten(1).int()]
        dtype = torch.float8_e4m3fn
    else:
        numbers = (weight.view(torch.float8_e4m3fn) if weight.dtype == torch.uint8 else weight).float()
        dtype = torch.float8_e8m0fnu
    rows, columns = numbers.shape
    blocks = _in_rows(scales[0], rows, columns // FORMATS[kind]).view(dtype).float()
    if fours:
        blocks = scales[1].float() * blocks
    return (numbers.reshape(*blocks.shape, FORMATS[kind]) * blocks[:, :, None]).reshape(rows, columns)


def _in_rows(scale: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Bytes [rows, columns] of scales in tiles."""
    high, wide = -(-rows // 128), -(-columns // 4)
    tiles = scale.view(torch.uint8).reshape(high, wide, 32, 4, 4)
    return tiles.permute(0, 3, 2, 1, 4).reshape(high * 128, wide * 4)[:rows, :columns].contiguous()
