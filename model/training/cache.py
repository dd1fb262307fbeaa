"""What encoders made of clips and captions, on disk under the content that it was made of: no work is done twice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from farm.errors import StorageError
from farm.files import written_aside
from model.checkpoint import Checkpoint
from model.settings import ModelSettings
from model.weights import known_sha256

VERSION = 1
"""Raised by whoever changes what the same content is encoded to."""
_BESIDE = ("config.json", "tokenizer.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Cache:
    """Tensors by key in ``folder``. A file is whole or not there, so whatever is killed goes on where it was."""

    folder: Path

    def path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def has(self, key: str) -> bool:
        return self.path(key).is_file()

    def save(self, key: str, tensors: Mapping[str, torch.Tensor], about: Mapping[str, str]) -> None:
        """Keep ``tensors``; ``about`` tells people what they are. StorageError when the disk does not take them."""
        with written_aside(self.path(key)) as aside:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside, dict(about))

    def load(self, key: str) -> dict[str, torch.Tensor]:
        """StorageError when they are gone or damaged."""
        try:
            return load_file(self.path(key))
        except (OSError, SafetensorError) as error:
            raise StorageError(f"{self.path(key)} can't be read ({error}); remove it and train again.") from None


def key_of(
    kind: str, checkpoint: Checkpoint, parts: Mapping[str, str], content: Mapping[str, Any], settings: ModelSettings
) -> str:
    """The key of what ``parts`` of a checkpoint make of ``content``.

    Args:
        kind: of the result.
        checkpoint: its digests are part of the key.
        parts: the dtype that each computes in, by its name; empty for those without weights.
        content: JSON values that decide the result.
        settings: as for ``known_sha256``.
    """
    made_by = {}
    for name, dtype in parts.items():
        part = checkpoint.parts[name]
        beside = [part.path / file for file in _BESIDE if (part.path / file).is_file()]
        digests = {file.name: known_sha256(file, settings) for file in beside} | dict(part.digests)
        made_by[name] = [dtype, sorted(digests.items())]
    text = json.dumps([VERSION, kind, made_by, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
