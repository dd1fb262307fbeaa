"""Safetensors files: their weights in wide numbers, whatever the bits that they are stored in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from farm.errors import CheckpointError

from .comfyui import is_unused
from .four_bits import unpacked, weight_of
from .scales import SCALES, TOLD, Storage, is_beside, told_by, told_in_header, widened


def read_safetensors(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """All weights in ``dtype`` by the file's names; what stands beside them to say how they are stored is used up.

    Raises:
        CheckpointError: a weight is stored in a way that is not known.
        OSError, SafetensorError: the file can't be read.
    """
    with safe_open(file, framework="pt") as stored:
        names = list(stored.keys())
        small = {name: stored.get_tensor(name) for name in names if is_beside(name) or weight_of(name)}
        _require_weights(small, names, file)
        beside = _Beside(file, small, told_in_header(stored.metadata(), f"checkpoint file {file}"))
        wanted = [name for name in names if name not in small and not is_unused(name)]
        return {name: beside.widen(name, stored.get_tensor(name)).to(dtype) for name in wanted}


class _Beside:
    """What a ``file`` has beside its weights: the ``tensors`` there, and what is ``told`` of modules in its header."""

    def __init__(self, file: Path, tensors: Mapping[str, torch.Tensor], told: Mapping[str, Mapping[str, Any]]) -> None:
        self._file, self._tensors, self._told = file, tensors, told
        self._in_four: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if weight := weight_of(name):
                self._in_four.setdefault(weight, {})[name.removeprefix(f"{weight}.")] = tensor

    def widen(self, name: str, stored: torch.Tensor) -> torch.Tensor:
        """The weight ``name`` as the numbers that it stands for; CheckpointError when they can't be told."""
        if name in self._in_four:
            return unpacked(stored, self._in_four[name], self._where(name))
        return widened(stored, self._storage(name), self._where(name))

    def _storage(self, name: str) -> Storage:
        module, _, kind = name.rpartition(".")
        if kind != "weight":
            return Storage()
        scales = [self._tensors[f"{module}.{end}"] for end in SCALES if f"{module}.{end}" in self._tensors]
        mark = f"{module}.{TOLD}"
        told = self._told.get(module, {})
        return Storage(scales, told_by(self._tensors[mark], self._where(mark)) if mark in self._tensors else told)

    def _where(self, name: str) -> str:
        return f"checkpoint file {self._file}: {name!r}"


def _require_weights(beside: Mapping[str, torch.Tensor], names: list[str], file: Path) -> None:
    known = set(names)
    for name in beside:
        module, _, end = name.rpartition(".")
        if end in SCALES and f"{module}.weight" not in known:
            raise CheckpointError(f"checkpoint file {file}: there is a scale, but no weight, for {module!r}.")
