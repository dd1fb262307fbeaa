"""A zip whose bytes depend on nothing but what is in it."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .base import written_aside

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first day that a zip can tell."""


class Archive:
    """Files for a zip, added one at a time; not compressed, since what exporters put in is already."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def add(self, name: str, content: bytes | Path) -> None:
        """A file; ``content`` is its bytes, or the path of a file."""
        entry = zipfile.ZipInfo(name, LONG_AGO)
        entry.external_attr = 0o644 << 16
        if isinstance(content, bytes):
            self._file.writestr(entry, content)
            return
        entry.file_size = content.stat().st_size
        with content.open("rb") as source, self._file.open(entry, "w") as target:
            while piece := source.read(1 << 20):
                target.write(piece)


@contextmanager
def archive(path: Path) -> Iterator[Archive]:
    """A new zip at ``path``, there when the block is left without an error."""
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as file:
        yield Archive(file)
