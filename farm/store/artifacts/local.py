"""Artifacts in a folder of this machine, or in one that all machines of the farm share."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import unquote
from uuid import uuid4

from farm.jobs.records import Artifact

from .protocol import OCTETS, ArtifactStore, checked_key, damaged, name_of
from .streams import copied, opened


class LocalStore(ArtifactStore):
    """Files in a folder, written under a hidden name beside the target, flushed to disk and renamed.

    ``url``: a ``file://`` URL or a path.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.root = Path(unquote(url).removeprefix("file://") if url.startswith("file:") else url)

    def write(self, key: str, data: bytes | IO[bytes] | Path, *, name: str = "", media_type: str = OCTETS) -> Artifact:
        target = self.full(key)
        with self.faults(f"write {key}"), opened(data) as source:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.{uuid4().hex}.part")
            try:
                with aside.open("xb") as file:
                    size, sha256 = copied(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(target)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
            sync_folder(target.parent)
        return Artifact(name or name_of(key), key, size, sha256, media_type)

    def publish(self, private_key: str, key: str) -> None:
        source, target = self.full(private_key), self.full(key)
        with self.faults(f"publish {key}"):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                sync_folder(target.parent)
            except FileNotFoundError:
                if not target.exists():
                    raise

    def copy(self, source_key: str, key: str) -> None:
        source, target = self.full(source_key), self.full(key)
        with self.faults(f"copy {source_key}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.{uuid4().hex}.part")
            try:
                aside.hardlink_to(source)
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, aside)
            aside.replace(target)
            sync_folder(target.parent)

    def open_read(self, key: str) -> BinaryIO:
        with self.faults(f"read {key}"):
            return self.full(key).open("rb")

    def read(self, key: str, sha256: str | None = None) -> bytes:
        with self.faults(f"read {key}"):
            data = self.full(key).read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise damaged(key)
        return data

    def read_start(self, key: str, size: int) -> bytes:
        with self.open_read(key) as file, self.faults(f"read {key}"):
            return file.read(size)

    def path(self, key: str, sha256: str | None = None) -> Path:
        return self.full(key)

    def exists(self, key: str) -> bool:
        with self.faults(f"look for {key}"):
            return self.full(key).is_file()

    def remove_prefix(self, prefix: str) -> None:
        full = self.full(prefix)
        with self.faults(f"remove {prefix}"), suppress(FileNotFoundError):
            if full.is_dir() and not full.is_symlink():
                shutil.rmtree(full)
            else:
                full.unlink()

    def size_of(self, pattern: str) -> int:
        total = 0
        with self.faults(f"measure {pattern}"):
            for path in self.root.glob(checked_key(pattern)):
                with suppress(FileNotFoundError):  # it may go meanwhile
                    total += 0 if path.name.startswith(".") else path.stat().st_size
        return total

    def full(self, key: str) -> Path:
        """Where the file of this key is; InputError when it is no key."""
        return self.root / checked_key(key)


def sync_folder(folder: Path) -> None:
    """Make a rename durable; where folders can't be synchronised (Windows, some network drives) nothing is done."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
