"""Weights of 8 bits and the scales beside them, as ComfyUI, musubi-tuner and others store them, widened exactly.

A scale belongs to the whole weight, to a row, to a block along a row (musubi), or to a square tile (ComfyUI's
``blockwise``, and DeepSeek's ``weight_scale_inv``); NVFP4 and MXFP8 are in ``tiles``. Others are refused: a wrong
guess would give noise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from farm.errors import CheckpointError

from .tiles import FORMATS as TILES
from .tiles import from_tiles

SCALES = ("scale_weight", "weight_scale", "weight_scale_inv", "scale_weight_tensor", "weight_scale_2")
"""How names of scales end; a weight that has several is multiplied by each."""
TOLD = "comfy_quant"
"""How names end under which bytes of JSON say how ComfyUI stored a weight."""
METADATA = "_quantization_metadata"
"""Where the header of a file says the same of all of its weights."""

_OF_INPUTS = ("scale_input", "input_scale", "scaled_fp8")
_FORMATS = {
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e4m3fn_rowwise": torch.float8_e4m3fn,
    "float8_e4m3fn_blockwise": torch.float8_e4m3fn,
    "float8_e4m3fn_block3d": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
    "int8_tensorwise": torch.int8,
    "int8_blockwise": torch.int8,
}
_SIZE = "group_size"
_KNOWN = ("format", _SIZE, "full_precision_matrix_mult", "per_row")
"""What may be said of a weight; all else would change what its numbers mean."""


@dataclass(frozen=True)
class Storage:
    """How a file stores one weight: its ``scales``, and what is ``told`` of it."""

    scales: Sequence[torch.Tensor] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def is_beside(name: str) -> bool:
    """Whether ``name`` is no weight's, but that of something which says how a weight is stored."""
    return name.rpartition(".")[2] in (*SCALES, *_OF_INPUTS, TOLD)


def told_in_header(metadata: Mapping[str, str] | None, where: str) -> dict[str, Mapping[str, Any]]:
    """What a file's header tells of its weights, by the names of their modules; CheckpointError as ``told_by``."""
    try:
        layers = json.loads((metadata or {}).get(METADATA, "{}")).get("layers", {})
        return {str(module): dict(told) for module, told in layers.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{where}: {METADATA} in its header can't be read ({error}).") from None


def told_by(data: torch.Tensor, where: str) -> dict[str, Any]:
    """What bytes under ``TOLD`` say; CheckpointError, which begins with ``where``, when they can't be read."""
    try:
        return dict(json.loads(bytes(data.tolist())))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{where} can't be read ({error}).") from None


def widened(weight: torch.Tensor, storage: Storage, where: str) -> torch.Tensor:
    """``weight`` times its scales in fp32; as it is, when it has none.

    Args:
        weight: [rows, ...].
        storage: how the file stores it.
        where: how an error begins: the file and the weight's name.

    Raises:
        CheckpointError: it is stored in a way that is not known.
    """
    kind = _format(storage.told, where)
    if kind in TILES:
        return _from_tiles(weight, kind, storage.scales, where)
    if kind and weight.dtype == torch.uint8:
        weight = weight.view(_FORMATS[kind])
    if not storage.scales and weight.dtype in (torch.int8, torch.uint8):
        raise CheckpointError(f"{where} is stored as {_called(weight)} without a scale; use a file with 8-bit floats.")
    for scale in storage.scales:
        weight = _multiplied(weight, scale, storage.told.get(_SIZE), where)
    return weight


def _format(told: Mapping[str, Any], where: str) -> str:
    """The format that is told of a weight, one that is known; empty when nothing is told."""
    if not told:
        return ""
    kind, more = told.get("format"), [name for name, value in told.items() if value and name not in _KNOWN]
    known = (*_FORMATS, *TILES)
    if kind not in known or more:
        said = f"{kind!r} with {more[0]!r}" if more else repr(kind)
        raise CheckpointError(
            f"{where} says {said}, which can't be read; use a file with {', '.join(known)}, or a GGUF file."
        )
    return str(kind)


def _from_tiles(weight: torch.Tensor, kind: str, scales: Sequence[torch.Tensor], where: str) -> torch.Tensor:
    try:
        return from_tiles(weight, kind, scales)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{where} can't be read as {kind} ({str(error).splitlines()[0]}).") from error


def _multiplied(weight: torch.Tensor, scale: torch.Tensor, size: Any, where: str) -> torch.Tensor:
    rows = weight.shape[0] if weight.ndim else 1
    flat = weight.float().reshape(rows, -1)
    grid = _grid(scale, rows, flat.shape[1], weight.ndim)
    if grid is None or (size and grid.shape[1] > 1 and flat.shape[1] != size * grid.shape[1]):
        blocks = f" in blocks of {size}" if size else ""
        raise CheckpointError(
            f"{where} has a scale {list(scale.shape)} of {_called(scale)} for weights {list(weight.shape)}{blocks}; "
            "one of the whole weight, of each row, of equal blocks of a row, or of square tiles (sides: powers of two) "
            "can be read. Use a file with such scales, or one without."
        )
    high, wide = grid.shape
    parts = flat.reshape(high, rows // high, wide, flat.shape[1] // wide)
    return (parts * grid.float()[:, None, :, None]).reshape(weight.shape)


def _grid(scale: torch.Tensor, rows: int, columns: int, dimensions: int) -> torch.Tensor | None:
    """``scale`` [rows of blocks, blocks of a row] for weights [rows, columns]; None when its layout is not known.

    Sides that are no powers of two would be those of a grid whose last blocks stick out of the weights.
    """
    if scale.dtype.itemsize == 1:  # of MXFP8 and NVFP4, which lie in another order
        return None
    if scale.numel() == 1:
        return scale.reshape(1, 1)
    if scale.numel() == rows and scale.shape[0] == rows:
        return scale.reshape(rows, 1)
    if scale.ndim == 3 and scale.shape[::2] == (rows, 1):
        scale = scale[:, :, 0]
    if dimensions != 2 or scale.ndim != 2 or rows % scale.shape[0] or columns % scale.shape[1]:
        return None
    high, wide = rows // scale.shape[0], columns // scale.shape[1]
    return scale if high in (1, wide) and wide.bit_count() == 1 else None


def _called(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
