"""Transformers in a single safetensors file, in the spellings that people share.

Known are diffusers' names (the official ones), the same under a prefix, the names of the original HunyuanVideo, and
8-bit weights with or without a scale of their own. ComfyUI files are of this kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors import safe_open

from farm.errors import CheckpointError

from .weights import read_json

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.")

_SCALES = (".scale_weight", ".weight_scale")
_MARKS = ("scaled_fp8",)
_INPUT_SCALES = (".scale_input", ".input_scale")


def read_single_file(kind: Any, file: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """An instance of ``kind`` with the weights of ``file``, widened or rounded to ``dtype``, on the CPU.

    Its configuration is that in ``<name>.json`` or ``config.json`` beside the file, else ``config``.

    Raises:
        CheckpointError: the file does not hold exactly the weights of the configuration.
        OSError, ValueError, SafetensorError: it can't be read.
    """
    from .components import check_shapes

    config = _config_beside(file) or dict(config)
    weights = _read(file, dtype)
    if any(name.startswith("double_blocks.") for name in weights):
        from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers

        weights = convert_hunyuan_video_transformer_to_diffusers(weights)
    check_shapes(kind, config, {name: tuple(tensor.shape) for name, tensor in weights.items()}, file)
    with init_empty_weights():
        model = kind.from_config(config)
    model.load_state_dict(weights, strict=True, assign=True)
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


def _prefix(names: Iterable[str]) -> str:
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names)), "")
