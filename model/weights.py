"""Weight files at the door: which ones a folder holds, their headers and their digests. No torch, no large reads.

The digest of a large file is worked out once and kept in the home; a file of the Hugging Face cache carries its own in
the name of its blob.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

from .gguf_file import SUFFIX, read_gguf_header
from .settings import ModelSettings

INDEX_SUFFIX = ".safetensors.index.json"
LARGE = 64 * 2**20
"""Bytes from which on a digest is kept on disk."""

_HEADER_LIMIT = 100_000_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOUR_BITS = re.compile(r"(.+)\.quant_state\.bitsandbytes__(nf4|fp4)")
"""Bytes of JSON beside a weight whose numbers lie two in a byte; see ``model.four_bits``."""
_SECOND = ".weight_scale_2"


@dataclass(frozen=True)
class Entry:
    """A tensor as its file tells it: ``dtype`` in the file's spelling (``BF16``, ``F8_E4M3``, ``Q4_K``, ``NF4``);
    ``shape`` of the numbers, in whatever blocks they lie."""

    dtype: str
    shape: tuple[int, ...]


def weight_files(path: Path, remedy: str) -> tuple[Path, ...]:
    """The weight files of a component: a single file, the shards that its folder's index names, or all there are.

    Raises:
        CheckpointError: there is none, a shard is missing, or the index can't be read.
    """
    if path.is_file():
        return (path,)
    found = sorted(path.glob("*.safetensors"))
    indexes = sorted(path.glob(f"*{INDEX_SUFFIX}"))
    if indexes and not any(file.name == index.name.removesuffix(".index.json") for file in found for index in indexes):
        shards = read_json(indexes[0], remedy).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise CheckpointError(f"checkpoint file {indexes[0]} names no files; {remedy}.")
        found = [path / str(name) for name in sorted(set(shards.values()))]
        for file in found:
            if not file.is_file():
                raise CheckpointError(f"checkpoint file {file} is missing; {remedy}.")
    if not found:
        raise CheckpointError(f"checkpoint {path} holds no safetensors file; {remedy}.")
    return tuple(found)


def read_header(file: Path, remedy: str) -> dict[str, Entry]:
    """Names, dtypes and shapes of a safetensors file, which must be exactly as long as it says, or of a GGUF file.

    Raises:
        CheckpointError: the file is cut short, too long, or no such file.
    """
    if file.suffix == SUFFIX:
        return {name: Entry(*entry) for name, entry in read_gguf_header(file, remedy).items()}
    return _header_of(file, remedy)[0]


def read_metadata(file: Path, remedy: str) -> dict[str, str]:
    """What a safetensors file says about itself in its header; CheckpointError as ``read_header``."""
    return _header_of(file, remedy)[1]


def _header_of(file: Path, remedy: str) -> tuple[dict[str, Entry], dict[str, str]]:
    stat = file.stat()
    return _header(file, stat.st_size, stat.st_mtime_ns, remedy)


@lru_cache(maxsize=64)
def _header(file: Path, size: int, changed: int, remedy: str) -> tuple[dict[str, Entry], dict[str, str]]:
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
        if not 0 < length <= min(size - 8, _HEADER_LIMIT):
            raise CheckpointError(
                f"checkpoint file {file} is cut short or no safetensors file ({size} bytes); {remedy}."
            )
        try:
            header = json.loads(stream.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            ends = [entry["data_offsets"][1] for entry in tensors.values()]
            entries = {name: Entry(str(entry["dtype"]), tuple(entry["shape"])) for name, entry in tensors.items()}
            about = {str(name): str(value) for name, value in header.get("__metadata__", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"checkpoint file {file} has a broken header ({error}); {remedy}.") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise CheckpointError(f"checkpoint file {file} has {size} bytes where {expected} are expected; {remedy}.")
    return entries | _nvfp4(entries) | _in_four_bits(file, tensors, 8 + length, remedy), about


def _nvfp4(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Weights two of which lie in a byte, known by their second scales; see ``model.tiles``."""
    weights = [name.removesuffix(_SECOND) + ".weight" for name in entries if name.endswith(_SECOND)]
    packed = {name: entries[name] for name in weights if name in entries and entries[name].dtype == "U8"}
    return {name: Entry("NVFP4", (*entry.shape[:-1], 2 * entry.shape[-1])) for name, entry in packed.items()}


def _in_four_bits(file: Path, header: Mapping[str, Any], start: int, remedy: str) -> dict[str, Entry]:
    """Weights that bitsandbytes put into 4 bits, whose shapes stand in the file's data, which begin at ``start``."""
    states = {match: header[name]["data_offsets"] for name in header if (match := _FOUR_BITS.fullmatch(name))}
    if not states:
        return {}
    found = {}
    with file.open("rb") as stream:
        for match, (first, last) in states.items():
            stream.seek(start + first)
            try:
                shape = tuple(map(int, json.loads(stream.read(last - first))["shape"]))
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"checkpoint file {file}: {match[0]!r} can't be read ({error}); {remedy}."
                ) from error
            found[match[1]] = Entry(match[2].upper(), shape)
    return found


def read_json(file: Path, remedy: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CheckpointError: the file is missing, can't be read, or holds something else.
    """
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint file {file} is missing; {remedy}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint file {file} can't be read ({error}); {remedy}.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"checkpoint file {file} holds no JSON object; {remedy}.")
    return value


def file_sha256(file: Path) -> str:
    """Hex digest of a file's content, read now."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_sha256(file: Path, settings: ModelSettings) -> str:
    """Hex digest of a file's content; a large file is read once, then again only when its size or time changes.

    ``settings``: of this machine, whose home keeps what is known of large files.
    """
    blob = file.resolve()
    if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
        return blob.name
    stat = blob.stat()
    if stat.st_size < LARGE:
        return _small_sha256(blob, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    key, stamp = str(blob), [stat.st_size, stat.st_mtime_ns]
    kept = _kept_digests(settings.digests_file).get(key, [])
    if kept[:-1] == stamp:
        return str(kept[-1])
    digest = file_sha256(blob)
    _keep_digests(settings.digests_file, {**_kept_digests(settings.digests_file), key: [*stamp, digest]})
    return digest


def note_sha256(digests: Mapping[Path, str], settings: ModelSettings) -> None:
    """Have ``known_sha256`` know the digests of files that somebody has just read in full; ``settings``: as there."""
    stats = {file.resolve(): (file.stat(), digest) for file, digest in digests.items()}
    large = {
        str(blob): [stat.st_size, stat.st_mtime_ns, digest]
        for blob, (stat, digest) in stats.items()
        if stat.st_size >= LARGE
    }
    if large:
        file = settings.digests_file
        _keep_digests(file, {**_kept_digests(file), **large})


@lru_cache(maxsize=4096)
def _small_sha256(file: Path, *stamp: int) -> str:
    return file_sha256(file)


def _kept_digests(file: Path) -> dict[str, list[Any]]:
    try:
        kept = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep_digests(file: Path, digests: Mapping[str, list[Any]]) -> None:
    """Replace the file at once; a home that can't be written costs the same work again next time, no more."""
    aside = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.write_text(json.dumps(digests, indent=0))
        aside.replace(file)
    except OSError:
        aside.unlink(missing_ok=True)
