"""Checkpoint folders: find, verify and identify one before anything large is read. No torch.

The layout is that of a diffusers pipeline: ``model_index.json``, one folder per component, weights as safetensors,
and beside them this project's ``family.json`` (what planning needs to know) and ``SHA256SUMS`` (in the format of
``sha256sum -c``; verified when it is there).
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

MODEL_INDEX = "model_index.json"
FAMILY = "family.json"
CHECKSUMS = "SHA256SUMS"
WITH_WEIGHTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "image_encoder")
WITHOUT_WEIGHTS = ("tokenizer", "tokenizer_2", "feature_extractor")

_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint folder.

    ``components`` maps each component's folder to its (library, class); ``family`` is the content of family.json;
    ``sha256`` (hex) identifies the weights: a digest over the name and digest of every safetensors file.
    """

    path: Path
    components: dict[str, tuple[str, str]]
    family: dict[str, Any]
    sha256: str


def open_checkpoint(path: Path) -> Checkpoint:
    """Verify the checkpoint in ``path``; the work is done once as long as no file in it changes.

    Raises:
        CheckpointError: the folder, a file of it or a field is missing, cut short or changed; names it and the remedy.
    """
    if not path.is_dir():
        raise CheckpointError(f"no model checkpoint at {path}: {_REMEDY}.")
    stamps = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in _files(path))
    return _verify(path, stamps)


def write_checksums(path: Path) -> None:
    """Write ``SHA256SUMS`` for all files of the checkpoint in ``path`` but its model card."""
    files = [file for file in _files(path) if file.name != CHECKSUMS and file.suffix != ".md"]
    lines = [f"{file_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    (path / CHECKSUMS).write_text("".join(lines))


def file_sha256(file: Path) -> str:
    """Hex digest of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_REMEDY = "copy or download it again, or point FARM_PUPPET_PATH to a whole one"


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


@lru_cache(maxsize=8)
def _verify(path: Path, stamps: tuple[tuple[str, int, int], ...]) -> Checkpoint:
    index = _read_json(path / MODEL_INDEX)
    family = _read_json(path / FAMILY)
    components = {
        name: (str(value[0]), str(value[1]))
        for name, value in index.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[0] is not None
    }
    weights = [Path(name) for name, _, _ in stamps if name.endswith(".safetensors")]
    for name in WITH_WEIGHTS + WITHOUT_WEIGHTS:
        if name not in components or not (path / name).is_dir():
            raise CheckpointError(f"checkpoint {path}: component {name!r} is missing; {_REMEDY}.")
        if name in WITH_WEIGHTS and not any(file.parent == path / name for file in weights):
            raise CheckpointError(f"checkpoint {path / name} holds no safetensors file; {_REMEDY}.")
    for file in weights:
        _check_safetensors(file)
    digests = {file.relative_to(path).as_posix(): file_sha256(file) for file in weights}
    _check_checksums(path, digests)
    total = hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode())
    return Checkpoint(path, components, family, total.hexdigest())


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint file {file} is missing; {_REMEDY}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint file {file} can't be read ({error}); {_REMEDY}.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"checkpoint file {file} holds no JSON object; {_REMEDY}.")
    return value


def _check_safetensors(file: Path) -> None:
    """Check the header and that the file is as long as the header says."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
        if not 0 < length <= min(size - 8, _HEADER_LIMIT):
            raise CheckpointError(
                f"checkpoint file {file} is cut short or no safetensors file ({size} bytes); {_REMEDY}."
            )
        try:
            header = json.loads(stream.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"checkpoint file {file} has a broken header ({error}); {_REMEDY}.") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise CheckpointError(f"checkpoint file {file} has {size} bytes where {expected} are expected; {_REMEDY}.")


def _check_checksums(path: Path, digests: dict[str, str]) -> None:
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
