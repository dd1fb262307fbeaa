"""Files that come to the head in pieces: kept aside as far as they are, and put where they belong when all is there."""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from farm.errors import BusyError, DamagedArtifactError, InputError
from farm.locks import try_lock

from .local import LocalStore, sync_folder

FOLDER = ".uploads"
ABANDONED_SECONDS = 86_400.0
"""An upload that got no further for so long is removed."""
SWEEP_SECONDS = 600.0
MOST_HASHES = 20_000
MOST_COMING = 1000
_NAME = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")


def part_of(root: Path, upload: str) -> Path:
    """Where the store in the folder ``root`` has an upload as far as it has come; InputError for what names none."""
    if not _NAME.fullmatch(upload):
        raise InputError(f"{upload!r} names no upload; expected 32 hexadecimal digits.")
    return root / FOLDER / f"{upload}.part"


@dataclass
class Hashed:
    """The hash of the first ``size`` bytes of an upload."""

    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0


class Piece:
    """The file of an upload, hashed as it grows if its hash so far is known."""

    def __init__(self, file: BinaryIO, hashed: Hashed | None) -> None:
        self._file = file
        self.hashed = hashed or (Hashed() if file.tell() == 0 else None)

    def write(self, block: bytes) -> None:
        """Append."""
        self._file.write(block)
        if self.hashed is not None:
            self.hashed.digest.update(block)
            self.hashed.size += len(block)


class Uploads:
    """See the module. Thread-safe; several processes may do it for the same store.

    Methods raise StorageError when the disk is full or can't be written, and InputError for names that are none.
    """

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._hashes: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._coming: dict[str, Hashed] = {}
        self._swept = 0.0

    def so_far(self, upload: str, key: str, size: int, sha256: str) -> int:
        """How many bytes have come; all of them when the file is in its place."""
        try:
            return self._path(upload).stat().st_size
        except FileNotFoundError:
            there = self._store.exists(key) and self.hash_of(key) == sha256
            return size if there else 0

    @contextmanager
    def appending(self, upload: str, offset: int) -> "Iterator[Piece | None]":
        """An upload to go on with at ``offset``; None when it has not come as far, or further. What is written stays
        when the block ends early, unless there is no room for it.

        Raises:
            BusyError: another request is at it.
        """
        path = self._path(upload)
        with self._store.faults(f"take upload {upload}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep(path.parent)
            with path.open("ab") as file:
                if not try_lock(file):
                    raise BusyError(f"upload {upload} is being written by another request; ask how far it is.")
                known = self._coming.pop(upload, None)
                piece = Piece(file, known if known and known.size == offset else None)
                try:
                    yield piece if file.tell() == offset else None
                    file.flush()
                except OSError:
                    path.unlink(missing_ok=True)
                    raise
                finally:
                    self._remember(upload, piece.hashed)

    def finish(self, upload: str, key: str, sha256: str) -> None:
        """All is there: put it in its place.

        Raises:
            DamagedArtifactError: it is not what was sent; it is gone, and can be sent anew.
        """
        path, target = self._path(upload), self._store.full(key)
        if not _HASH.fullmatch(sha256):
            raise InputError(f"{sha256!r} is no SHA-256; expected 64 hexadecimal digits.")
        known = self._coming.pop(upload, None)
        with self._store.faults(f"write {key}"):
            with path.open("rb") as file:
                whole = known is not None and known.size == path.stat().st_size
                digest = known.digest if known and whole else hashlib.file_digest(file, "sha256")
                found = digest.hexdigest()
                if found != sha256:
                    path.unlink(missing_ok=True)
                    raise DamagedArtifactError(f"{key} arrived damaged: its hash is {found[:12]}, not {sha256[:12]}.")
                os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            sync_folder(target.parent)
            self._note(key, target, sha256)

    def hash_of(self, key: str) -> str:
        """The sha256 of a file of the store; NotFoundError when there is none."""
        path = self._store.full(key)
        with self._store.faults(f"read {key}"):
            if not path.is_file():
                raise FileNotFoundError(key)
            known = self._hashes.get(key)
            if known is None or known[0] != _stamp(path):
                with path.open("rb") as file:
                    return self._note(key, path, hashlib.file_digest(file, "sha256").hexdigest())
        return known[1]

    def _remember(self, upload: str, hashed: Hashed | None) -> None:
        """For the next piece; what is forgotten is hashed at the end."""
        if hashed is not None:
            if len(self._coming) >= MOST_COMING:
                self._coming.pop(next(iter(self._coming)), None)
            self._coming[upload] = hashed

    def _note(self, key: str, path: Path, sha256: str) -> str:
        if len(self._hashes) >= MOST_HASHES:
            self._hashes.pop(next(iter(self._hashes)), None)
        self._hashes[key] = _stamp(path), sha256
        return sha256

    def _path(self, upload: str) -> Path:
        return part_of(self._store.root, upload)

    def _sweep(self, folder: Path) -> None:
        now = time.monotonic()
        if self._swept and now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for path in folder.glob("*.part"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
