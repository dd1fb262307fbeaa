"""Weights of 4 bits as bitsandbytes stores them (NF4 and FP4), widened without that library, which has no build for the
CPU alone and which diffusers uses on a GPU only.

A file has beside a weight, under its name: ``absmax``, a scale of each block of numbers, which may be stored in 8 bits
itself (``nested``); ``quant_map``, the 16 values that 4 bits stand for; and a state, which is bytes of JSON.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from farm.errors import CheckpointError

_STATES = ("quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4")
_BESIDE = (*_STATES, "absmax", "quant_map", "nested_absmax", "nested_quant_map")


def weight_of(name: str) -> str | None:
    """The weight of which ``name`` tells how it is stored in 4 bits; None when it tells nothing of that."""
    return next((name.removesuffix(f".{end}") for end in _BESIDE if name.endswith(f".{end}")), None)


def unpacked(packed: torch.Tensor, beside: Mapping[str, torch.Tensor], where: str) -> torch.Tensor:
    """A weight in fp32, in its own shape.

    Args:
        packed: two numbers in each byte, the first in its upper half.
        beside: what stands under the weight's name, by what follows in theirs.
        where: how an error begins: the file and the weight's name.

    Raises:
        CheckpointError: what stands there does not belong together.
    """
    try:
        told = [beside[end] for end in _STATES if end in beside]
        state = json.loads(bytes(told[0].tolist()))
        scales = beside["absmax"]
        if "nested_absmax" in beside:
            scales = _widened(scales, beside["nested_quant_map"], beside["nested_absmax"], state["nested_blocksize"])
            scales = scales + state["nested_offset"]
        pairs = packed.reshape(-1).view(torch.uint8)
        halves = torch.stack((pairs >> 4, pairs & 15), dim=1).reshape(-1)[: prod(state["shape"])]
        return _widened(halves, beside["quant_map"], scales, state["blocksize"]).reshape(state["shape"])
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{where} can't be read as 4 bits of bitsandbytes ({reason}).") from error


def _widened(numbers: torch.Tensor, table: torch.Tensor, scales: torch.Tensor, size: Any) -> torch.Tensor:
    """What ``table`` says of each of ``numbers``, times the scale of its block of ``size``; the last may be shorter."""
    values = table.float()[numbers.reshape(-1).int()]
    blocks = torch.nn.functional.pad(values, (0, -len(values) % size)).reshape(-1, size)
    return (blocks * scales.float()[:, None]).reshape(-1)[: len(values)]
