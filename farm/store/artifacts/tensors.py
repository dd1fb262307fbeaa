"""Tensors as files: safetensors whose bytes depend on nothing but tensors and metadata."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from farm.errors import DamagedArtifactError

if TYPE_CHECKING:
    import torch

SAFETENSORS = "application/vnd.safetensors"
FIRST_BYTES = 1 << 16
"""Read at once of a file whose header is wanted; few headers are longer."""
MOST_HEADER = 100 << 20


def packed(values: Mapping[str, "torch.Tensor"], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file."""
    from safetensors.torch import save

    flat = {label: tensor.detach().cpu().contiguous() for label, tensor in values.items()}
    return _with_metadata(save(flat), metadata)


def unpacked(data: bytes, key: str) -> dict[str, "torch.Tensor"]:
    """The tensors in the file ``key``; DamagedArtifactError when it is no such file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return cast(dict[str, Any], load(data))
    except SafetensorError as error:
        raise DamagedArtifactError(f"artifact {key} is damaged: {error}.") from error


def metadata(first: Callable[[int], bytes], key: str) -> dict[str, str]:
    """The metadata in the file ``key``; ``first`` gives as many of its first bytes as asked for."""
    start = first(FIRST_BYTES)
    length = min(int.from_bytes(start[:8], "little"), MOST_HEADER)
    if len(start) == FIRST_BYTES and length + 8 > len(start):
        start = first(length + 8)
    try:
        return cast(dict[str, str], json.loads(start[8 : 8 + length]).get("__metadata__", {}))
    except ValueError as error:
        raise DamagedArtifactError(f"artifact {key} is damaged: it is not a safetensors file.") from error


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Put sorted metadata into a safetensors file; the library writes it in random order, so hashes would differ."""
    start = 8 + int.from_bytes(data[:8], "little")
    entries = {label: str(metadata[label]) for label in sorted(metadata)}
    header = json.dumps({"__metadata__": entries, **json.loads(data[8:start])}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]
