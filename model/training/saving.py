"""The file of a finished LoRA: named and scaled so that diffusers, ComfyUI's FramePack nodes and this farm load it."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from farm.files import written_aside
from model.family import FamilyInfo

from .config import Recipe
from .lora import LoraLinear


def lora_weights(layers: Mapping[str, LoraLinear], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Weights in diffusers' and PEFT's spelling. The scale is part of ``lora_B``: programs disagree on who scales by
    what when a file says alpha, and none scales a file that says nothing."""
    weights = {}
    for name, layer in layers.items():
        weights[f"transformer.{name}.lora_A.weight"] = layer.down.detach()
        weights[f"transformer.{name}.lora_B.weight"] = layer.up.detach() * layer.scale
    return {name: weight.to("cpu", dtype).contiguous() for name, weight in weights.items()}


def save_lora(
    file: Path, layers: Mapping[str, LoraLinear], recipe: Recipe, info: FamilyInfo, steps: int, dtype: torch.dtype
) -> None:
    """Write ``file``, whole or not at all; StorageError when the disk does not take it."""
    with written_aside(file) as aside:
        save_file(lora_weights(layers, dtype), aside, metadata_of(recipe, info, steps))


def metadata_of(recipe: Recipe, info: FamilyInfo, steps: int) -> dict[str, str]:
    """What the file says of itself: title and trigger words under the keys that programs look for, and how it was
    made, without the folders of whoever made it."""
    settings = recipe.model_dump(mode="json", include={"seed", "lora", "learning"})
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{info.name}/lora",
        "modelspec.title": recipe.title or recipe.name,
        "modelspec.trigger_phrase": ", ".join(recipe.triggers),
        "ss_output_name": recipe.name,
        "ss_steps": str(steps),
        "ss_network_dim": str(recipe.lora.rank),
        "framepack_farm.base_sha256": info.checkpoint_sha256,
        "framepack_farm.settings": json.dumps(settings, sort_keys=True),
    }
