"""A base and what was learnt of it as one checkpoint, written a file at a time: never in memory as a whole."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from farm.errors import InputError
from farm.files import written_aside
from model.gguf_file import SUFFIX
from model.weights import read_header

from .lora import LoraLinear


def check_base(base: Sequence[Path], layers: Mapping[str, LoraLinear]) -> None:
    """InputError unless files have the weights of ``layers`` under diffusers' names, so that they can be merged."""
    if base[0].suffix == SUFFIX:
        raise InputError(f"base {base[0]}: its weights are in blocks, to which no change can be added; use another.")
    known = {name for file in base for name in read_header(file, "copy it again")}
    if missing := next((layer for layer in layers if f"{layer}.weight" not in known), None):
        raise InputError(f"base {base[0].parent}: it has no weight {missing!r}; use a folder with diffusers' names.")


def merge_weights(
    base: Sequence[Path],
    layers: Mapping[str, LoraLinear],
    grown: Mapping[str, torch.Tensor],
    folder: Path,
    stem: str,
) -> None:
    """Write the weights of ``base`` with the changes of ``layers`` added, and ``grown`` in place or beside them.

    Args:
        base: files that passed ``check_base``.
        layers: by the names of the layers that they change.
        grown: whole weights by name.
        folder: where files and their index come to lie, as diffusers has them.
        stem: how their names begin.

    Raises:
        StorageError: the disk does not take them.
    """
    total = len(base) + 1
    names = [f"{stem}-{number:05d}-of-{total:05d}.safetensors" for number in range(1, total + 1)]
    where: dict[str, str] = {}
    size = 0
    for file, name in zip(base, names, strict=False):
        with safe_open(file, framework="pt") as stored:
            kept = {key: stored.get_tensor(key) for key in stored.keys() if key not in grown}  # noqa: SIM118
        size += _write(folder / name, {key: _changed(key, weight, layers) for key, weight in kept.items()}, where)
    size += _write(folder / names[-1], grown, where)
    with written_aside(folder / f"{stem}.safetensors.index.json") as aside:
        aside.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": where}, indent=2, sort_keys=True))


def _changed(key: str, weight: torch.Tensor, layers: Mapping[str, LoraLinear]) -> torch.Tensor:
    """A weight of the base with its change, worked out in fp32."""
    layer = layers.get(key.removesuffix(".weight")) if key.endswith(".weight") else None
    if layer is None:
        return weight
    change = layer.scale * layer.up.detach().cpu() @ layer.down.detach().cpu()
    return (weight.float() + change).to(weight.dtype)


def _write(file: Path, weights: Mapping[str, torch.Tensor], where: dict[str, str]) -> int:
    """The bytes of ``weights``; ``where`` learns the names of what ``file`` holds."""
    with written_aside(file) as aside:
        save_file({name: weight.contiguous() for name, weight in weights.items()}, aside, {"format": "pt"})
    where |= dict.fromkeys(weights, file.name)
    return sum(weight.nbytes for weight in weights.values())
