"""Parts in a single file, safetensors or GGUF, in the spellings that people share.

Known are the names of diffusers and transformers (the official ones), the same under a prefix, those of the original
HunyuanVideo and of ComfyUI, and weights of 8 and 4 bits. Blocks of a GGUF file stay as they are where most weights lie.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights

from farm.errors import CheckpointError

from .comfyui import to_codec, to_encoder
from .gguf_file import SUFFIX, open_gguf, tensors_of
from .original import to_diffusers
from .safetensors_file import read_safetensors
from .transformer.gguf import READABLE, Blocks, keep_blocks, may_keep
from .weights import read_json

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "first_stage_model.", "vae.")


def read_single_file(kind: Any, file: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """An instance of ``kind`` with the weights of ``file``, widened or rounded to ``dtype``, on the CPU.

    Its configuration is that in ``<name>.json`` beside the file, or in ``config.json`` there if it is of such a model,
    else ``config``.

    Raises:
        CheckpointError: the file does not hold exactly the weights of the configuration, or there is none.
        OSError, ValueError, SafetensorError: it can't be read.
    """
    from .components import check_shapes

    config = _config_beside(kind, file) or dict(config)
    if not config:
        raise CheckpointError(
            f"checkpoint file {file}: nothing says how its model is built; put its configuration beside it, as "
            f"{file.stem}.json."
        )
    found = _read_gguf(file, dtype) if file.suffix == SUFFIX else _read(file, dtype)
    weights = to_codec(to_diffusers(found)) if is_of_diffusers(kind) else _encoder(found, file)
    check_shapes(kind, config, {name: tuple(weight.shape) for name, weight in weights.items()}, file)
    with init_empty_weights():
        model = built(kind, config)
    blocks = {name: weights[name] for name in may_keep(model) if isinstance(weights[name], Blocks)}
    keep_blocks(model, blocks)
    wide = {name: weight.widened(dtype) for name, weight in weights.items() if isinstance(weight, Blocks)}
    model.load_state_dict(weights | wide | {name: kept.data for name, kept in blocks.items()}, strict=True, assign=True)
    return model


def is_of_diffusers(kind: Any) -> bool:
    """Whether a model class is one of diffusers, not of transformers."""
    return hasattr(kind, "load_config")


def built(kind: Any, config: Mapping[str, Any]) -> Any:
    """An instance of a model class of diffusers or transformers, with weights that say nothing."""
    if is_of_diffusers(kind):
        return kind.from_config(dict(config))
    return kind(kind.config_class.from_dict(dict(config)))


def _encoder(found: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The weights of an encoder under transformers' names; CheckpointError when there are several of one name."""
    weights = to_encoder(found)
    if len(weights) < len(found):
        raise CheckpointError(f"checkpoint file {file} holds several encoders; use a file with the one alone.")
    return weights


def _config_beside(kind: Any, file: Path) -> dict[str, Any] | None:
    own, shared = file.with_suffix(".json"), file.parent / "config.json"
    if own.is_file():
        return read_json(own, "correct or remove it")
    found = read_json(shared, "correct or remove it") if shared.is_file() else {}
    return found if _is_for(kind, found) else None


def _is_for(kind: Any, config: Mapping[str, Any]) -> bool:
    """Whether ``config`` may be that of a ``kind``: files of several models may lie in one folder."""
    if is_of_diffusers(kind):
        names = [base.__name__ for base in kind.__mro__]
        return "model_type" not in config and config.get("_class_name", names[0]) in names
    return "_class_name" not in config and config.get("model_type", "") in ("", kind.config_class.model_type)


def _read(file: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """All weights in ``dtype`` under names without a prefix."""
    found = read_safetensors(file, dtype)
    prefix = _prefix(found)
    return {name.removeprefix(prefix): weight for name, weight in found.items()}


def _read_gguf(file: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Plain numbers in ``dtype`` and ``Blocks``, under names without a prefix.

    Raises:
        CheckpointError: blocks are of a kind that can't be read.
    """
    weights: dict[str, Any] = {}
    found = list(tensors_of(open_gguf(file, "copy or download it again")))
    prefix = _prefix([name for name, _, _ in found])
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


def _prefix(names: Collection[str]) -> str:
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names)), "")
