"""Checkpoints: the parts of a model, found, verified and identified before anything large is read. No torch.

A *part* is a component of the pipeline: a folder with its configuration and weights, or a single file, safetensors or
GGUF. A bundled checkpoint is one folder in the layout of a diffusers pipeline: ``model_index.json``, a folder for each
part, and beside them this project's ``family.json`` (what planning needs to know) and ``SHA256SUMS`` (in the format of
``sha256sum -c``; verified when it is there).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

from .gguf_file import SUFFIX
from .settings import ModelSettings
from .weights import file_sha256, known_sha256, read_header, read_json, weight_files

MODEL_INDEX = "model_index.json"
FAMILY = "family.json"
CHECKSUMS = "SHA256SUMS"
SCHEDULER_CONFIG = "scheduler_config.json"
WITH_WEIGHTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "image_encoder")
WITHOUT_WEIGHTS = ("tokenizer", "tokenizer_2", "feature_extractor", "scheduler")
PARTS = (*WITH_WEIGHTS, *WITHOUT_WEIGHTS)
"""Every part that a family may have, by the names of diffusers' pipelines."""
BUNDLED = PARTS[:-1]
"""Those of a bundled checkpoint."""
IN_BLOCKS = "transformer"
"""The part that may be a GGUF file."""


@dataclass(frozen=True)
class Part:
    """A verified component.

    ``path`` is its folder or single file; ``kind`` its (library, class); ``origin`` says where it comes from: a folder,
    or a repository with its commit; ``digests`` maps each weight file's name to its SHA-256 (hex).
    """

    name: str
    path: Path
    kind: tuple[str, str]
    origin: str
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """Its weight files."""
        return tuple(self.path if self.path.is_file() else self.path / name for name in self.digests)

    @property
    def in_blocks(self) -> bool:
        """Whether it is a GGUF file, whose weights stay in blocks of 4 to 8 bits."""
        return self.path.suffix == SUFFIX

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weight files."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def numbers(self) -> int:
        """How many numbers its weight files hold, whatever the bits of each."""
        return sum(prod(entry.shape) for file in self.files for entry in read_header(file, "copy it again").values())


@dataclass(frozen=True)
class Checkpoint:
    """All parts of a model, verified.

    ``family`` holds the facts that planning and rendering need, ``family_file`` where they were read; ``dtypes`` what
    the user's configuration asks for per part; ``sha256`` (hex) identifies the weights: a digest over the name and
    digest of every safetensors file.
    """

    parts: Mapping[str, Part]
    family: dict[str, Any]
    family_file: Path
    sha256: str
    dtypes: Mapping[str, str] = field(default_factory=dict)

    def config(self, part: str) -> Mapping[str, Any]:
        """How the family's ``part`` is built, for single files, which don't say it; empty when nothing is known."""
        found: Mapping[str, Any] = self.family.get(f"{part}_config", {})
        return found


def open_checkpoint(path: Path, settings: ModelSettings) -> Checkpoint:
    """Verify the checkpoint in the folder ``path``; the work is done once as long as no file in it changes.

    ``settings``: as for ``known_sha256``.

    Raises:
        CheckpointError: the folder, a file of it or a field is missing, cut short or changed; names it and the remedy.
    """
    if not path.is_dir():
        raise CheckpointError(f"no model checkpoint at {path}: {_REMEDY}.")
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in _files(path))
    return _verify(path, stamps, settings)


def open_part(name: str, path: Path, kind: tuple[str, str], origin: str, remedy: str, settings: ModelSettings) -> Part:
    """Verify one component: it is there, and no file of it is missing or cut short.

    ``settings``: as for ``known_sha256``.

    Raises:
        CheckpointError: names the file and the ``remedy``.
    """
    if name in WITHOUT_WEIGHTS:
        if not path.is_dir() or not any(path.iterdir()):
            raise CheckpointError(f"checkpoint {path}: no {name} there; {remedy}.")
        return Part(name, path, kind, origin)
    if not path.exists():
        raise CheckpointError(f"checkpoint {path}: no {name} there; {remedy}.")
    if path.suffix == SUFFIX and name != IN_BLOCKS:
        raise CheckpointError(f"checkpoint file {path}: a GGUF file can be the {IN_BLOCKS}, not the {name}.")
    files = weight_files(path, remedy)
    for file in files:
        read_header(file, remedy)
    return Part(name, path, kind, origin, {file.name: known_sha256(file, settings) for file in files})


def weights_sha256(parts: Iterable[Part]) -> str:
    """One digest for the weights of all ``parts``, whatever folders they lie in."""
    lines = [f"{digest}  {part.name}/{name}\n" for part in parts for name, digest in part.digests.items()]
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line[66:])).encode()).hexdigest()


def write_checksums(path: Path) -> None:
    """Write ``SHA256SUMS`` for all files of the checkpoint in ``path`` but its model card."""
    files = [file for file in _files(path) if file.name != CHECKSUMS and file.suffix != ".md"]
    lines = [f"{file_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    (path / CHECKSUMS).write_text("".join(lines))


_REMEDY = "copy or download it again, or point FARM_PUPPET_PATH to a whole one"


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


@lru_cache(maxsize=8)
def _verify(path: Path, stamps: tuple[tuple[str, int, int], ...], settings: ModelSettings) -> Checkpoint:
    index = read_json(path / MODEL_INDEX, _REMEDY)
    family = read_json(path / FAMILY, _REMEDY)
    parts = {}
    for name in BUNDLED:
        value = index.get(name)
        if not isinstance(value, list) or len(value) != 2 or value[0] is None or not (path / name).is_dir():
            raise CheckpointError(f"checkpoint {path}: component {name!r} is missing; {_REMEDY}.")
        kind = (str(value[0]), str(value[1]))
        parts[name] = open_part(name, path / name, kind, str(path / name), _REMEDY, settings)
    digests = {f"{part.name}/{name}": digest for part in parts.values() for name, digest in part.digests.items()}
    _check_checksums(path, digests)
    return Checkpoint(parts, family, path / FAMILY, weights_sha256(parts.values()))


def _check_checksums(path: Path, digests: Mapping[str, str]) -> None:
    """Compare with ``SHA256SUMS`` where the checkpoint has one."""
    sums = path / CHECKSUMS
    if not sums.is_file():
        return
    for line in sums.read_text().splitlines():
        recorded, _, name = line.partition("  ")
        if not (path / name).is_file():
            raise CheckpointError(f"checkpoint file {path / name} is missing; {_REMEDY}.")
        if (digests.get(name) or file_sha256(path / name)) != recorded:
            raise CheckpointError(
                f"checkpoint file {path / name} is corrupt: its SHA-256 is not the one in {CHECKSUMS}; {_REMEDY}."
            )
