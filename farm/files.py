"""Files that are never seen half-written. Imports nothing but the errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from .errors import StorageError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; move it there on success, remove it on any error.

    Raises:
        StorageError: the disk is full, read-only or not accessible.
    """
    aside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        _discard(aside)
        raise StorageError(f"can't write {path}: {error.strerror or error}.") from error
    except BaseException:
        _discard(aside)
        raise


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
