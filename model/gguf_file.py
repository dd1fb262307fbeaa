"""GGUF files: what their headers tell, without torch, and their tensors. Read by the gguf package of llama.cpp."""

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

SUFFIX = ".gguf"
_SHAPE = "comfy.gguf.orig_shape."
"""A field that tells the shape of a tensor which had to be laid out otherwise to make blocks of it."""


def open_gguf(file: Path, remedy: str) -> Any:
    """A reader of the gguf package; the file is mapped, not read.

    Raises:
        CheckpointError: it is cut short or no GGUF file.
    """
    from gguf import GGUFReader

    try:
        return GGUFReader(file)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"checkpoint file {file} is cut short or no GGUF file ({reason}); {remedy}.") from error


def tensors_of(reader: Any) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Name, shape, and the package's record of each tensor: ``tensor_type``, and ``data`` as an array."""
    for tensor in reader.tensors:
        field = reader.get_field(f"{_SHAPE}{tensor.name}")
        given = field.contents() if field is not None else [int(size) for size in tensor.shape[::-1]]
        yield tensor.name, tuple(int(size) for size in given), tensor


def read_gguf_header(file: Path, remedy: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The kind, such as ``Q4_K``, and the shape of each tensor by its name; CheckpointError as ``open_gguf``."""
    stat = file.stat()
    return _header(file, stat.st_size, stat.st_mtime_ns, remedy)


@lru_cache(maxsize=16)
def _header(file: Path, size: int, changed: int, remedy: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    found = {}
    for name, shape, tensor in tensors_of(open_gguf(file, remedy)):
        if prod(shape) != tensor.n_elements:
            raise CheckpointError(f"checkpoint file {file}: {name!r} is no {list(shape)}; {remedy}.")
        found[name] = (str(tensor.tensor_type.name), shape)
    if not found:
        raise CheckpointError(f"checkpoint file {file} has no tensors; {remedy}.")
    return found
