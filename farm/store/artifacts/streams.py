"""Bytes on their way: from whatever was given, hashed as they are copied."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHUNK = 1 << 20


@contextmanager
def opened(data: bytes | IO[bytes] | Path) -> Iterator[IO[bytes]]:
    """Bytes, an open binary file or the file at a path, to read from."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield file
    else:
        yield io.BytesIO(data) if isinstance(data, bytes) else data


def copied(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    """Copy all bytes; return how many and their sha256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
