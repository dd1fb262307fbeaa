"""Transformers in a single file, safetensors or GGUF, in the spellings that people share.

Known are diffusers' names (the official ones), the same under a prefix, those of the original HunyuanVideo and of
ComfyUI, and 8-bit weights with or without scales. Blocks of a GGUF file stay as they are where most weights lie.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights
from safetensors import safe_open

from farm.errors import CheckpointError

from .gguf_file import SUFFIX, open_gguf, tensors_of
from .original import to_diffusers
from .transformer.gguf import READABLE, Blocks, keep_blocks, may_keep
from .weights import read_json

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.")

_SCALES = (".scale_weight", ".weight_scale")
_MARKS = ("scaled_fp8",)
_INPUT_SCALES = (".scale_input", ".input_scale")
_QUANTISED = ".comfy_quant"
"""Bytes of JSON that say how ComfyUI stored a weight."""
_FORMATS = ("float8_e4m3fn", "float8_e5m2")


def read_single_file(kind: Any, file: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """An instance of ``kind`` with the weights of ``file``, widened or rounded to ``dtype``, on the CPU.

    Its configuration is that in ``<name>.json`` or ``config.json`` beside the file, else ``config``.

    Raises:
        CheckpointError: the file does not hold exactly the weights of the configuration.
        OSError, ValueError, SafetensorError: it can't be read.
    """
    from .components import check_shapes

    config = _config_beside(file) or dict(config)
    weights = to_diffusers(_read_gguf(file, dtype) if file.suffix == SUFFIX else _read(file, dtype))
    check_shapes(kind, config, {name: tuple(weight.shape) for name, weight in weights.items()}, file)
    with init_empty_weights():
        model = kind.from_config(config)
    blocks = {name: weights[name] for name in may_keep(model) if isinstance(weights[name], Blocks)}
    keep_blocks(model, blocks)
    wide = {name: weight.widened(dtype) for name, weight in weights.items() if isinstance(weight, Blocks)}
    model.load_state_dict(weights | wide | {name: kept.data for name, kept in blocks.items()}, strict=True, assign=True)
    return model.to(dtype)


def _config_beside(file: Path) -> dict[str, Any] | None:
    for path in (file.with_suffix(".json"), file.parent / "config.json"):
        if path.is_file():
            return read_json(path, "correct or remove it")
    return None


def _read(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """All weights in ``dtype`` under names without a prefix; scales are multiplied in."""
    with safe_open(file, framework="pt") as stored:
        names = list(stored.keys())
        prefix = _prefix(names)
        weights, scales = {}, {}
        for name in names:
            short = name.removeprefix(prefix)
            if short in _MARKS or short.endswith(_INPUT_SCALES):
                continue
            if short.endswith(_QUANTISED):
                _require_known(stored.get_tensor(name), short, file)
                continue
            tensor = stored.get_tensor(name)
            scaled = next((end for end in _SCALES if short.endswith(end)), None)
            if scaled:
                scales[short.removesuffix(scaled) + ".weight"] = tensor.float()
            else:
                weights[short] = tensor.to(dtype)
    for name, scale in scales.items():
        if name not in weights:
            raise CheckpointError(f"checkpoint file {file}: there is a scale, but no weight, for {name!r}.")
        weights[name] = (weights[name].float() * _broadcast(scale, weights[name].shape, name, file)).to(dtype)
    return weights


def _read_gguf(file: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Plain numbers in ``dtype`` and ``Blocks``, under names without a prefix.

    Raises:
        CheckpointError: blocks are of a kind that can't be read.
    """
    weights: dict[str, Any] = {}
    found = list(tensors_of(open_gguf(file, "copy or download it again")))
    prefix = _prefix(name for name, _, _ in found)
    for name, shape, tensor in found:
        if tensor.tensor_type not in READABLE:
            known = ", ".join(sorted(kind.name for kind in READABLE))
            raise CheckpointError(
                f"checkpoint file {file}: {name!r} is {tensor.tensor_type.name}, which can't be read; use a file with "
                f"{known}."
            )
        data = torch.from_numpy(np.array(tensor.data))
        if data.dtype != torch.uint8:
            weights[name.removeprefix(prefix)] = data.reshape(shape).to(dtype)
            continue
        blocks = Blocks(data.reshape(-1, data.shape[-1]), tensor.tensor_type)
        plain = blocks.shape != shape
        weights[name.removeprefix(prefix)] = blocks.widened(dtype).reshape(shape) if plain else blocks
    return weights


def _broadcast(scale: torch.Tensor, shape: Sequence[int], name: str, file: Path) -> torch.Tensor:
    """A scale of the whole weight or one of each of its rows, in a shape that multiplies rows.

    Raises:
        CheckpointError: it is of another kind.
    """
    rows = shape[0] if shape else 1
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.numel() == rows and scale.ndim in (1, len(shape)) and scale.shape[0] == rows:
        return scale.reshape(rows, *[1] * (len(shape) - 1))
    raise CheckpointError(
        f"checkpoint file {file}: the scale of {name!r} has the shape {list(scale.shape)} for weights {list(shape)}; "
        "one of the whole weight or of each row can be read. Use a file with such scales, or one without."
    )


def _require_known(told: torch.Tensor, name: str, file: Path) -> None:
    """Refuse a weight that is stored in another way than as 8-bit floats with scales beside them."""
    try:
        kind = json.loads(bytes(told.tolist()))["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"checkpoint file {file}: {name!r} can't be read ({error}).") from None
    if kind not in _FORMATS:
        raise CheckpointError(
            f"checkpoint file {file}: {name!r} says {kind!r}, which can't be read; use a file with "
            f"{' or '.join(_FORMATS)}, or a GGUF file."
        )


def _prefix(names: Iterable[str]) -> str:
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names)), "")
