"""What every artifact store can do, and what all of them do alike."""

import hashlib
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from farm.errors import DamagedArtifactError, FarmError, InputError, NotFoundError, StorageError
from farm.jobs.records import Artifact

from . import tensors

if TYPE_CHECKING:
    import torch

MOST_CHECKED = 4096
"""Files that are remembered to be whole."""
OCTETS = "application/octet-stream"


class ArtifactStore(ABC):
    """Files by key, a relative path such as ``jobs/1f/latents-000.safetensors``. Thread-safe.

    A file is never seen half-written, whoever dies while writing it. Methods raise StorageError when the store is full,
    read-only or out of reach, NotFoundError for a missing key, and InputError for what is no key.

    ``url``: where it is, for people.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._checked: dict[str, tuple[int, int, int, str]] = {}

    @abstractmethod
    def write(self, key: str, data: bytes | IO[bytes] | Path, *, name: str = "", media_type: str = OCTETS) -> Artifact:
        """Write bytes, an open binary file or the file at a path under ``key``, replacing what was there.

        ``name`` is the artifact's name; default: the key's file name without extension.
        """

    @abstractmethod
    def publish(self, private_key: str, key: str) -> None:
        """Rename a file, replacing what was there; a no-op when it was renamed already."""

    @abstractmethod
    def copy(self, source_key: str, key: str) -> None:
        """Have a committed file under another key, too; NotFoundError when it is gone. It takes no room twice where it
        need not, and stays when the other one is removed."""

    @abstractmethod
    def open_read(self, key: str) -> BinaryIO:
        """Open for reading from the start; the file can be sought in. The caller closes it."""

    @abstractmethod
    def read(self, key: str, sha256: str | None = None) -> bytes:
        """The whole file; DamagedArtifactError when its hash is not ``sha256``. A file with that hash that this machine
        has already is as good as the one in the store."""

    @abstractmethod
    def read_start(self, key: str, size: int) -> bytes:
        """The first bytes of a file, ``size`` or fewer."""

    @abstractmethod
    def path(self, key: str, sha256: str | None = None) -> Path:
        """The file on this machine; of a remote store, one in the cache, which is kept at least until many others have
        been asked for."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is a complete file under ``key``."""

    @abstractmethod
    def remove_prefix(self, prefix: str) -> None:
        """Remove the folder or file at ``prefix`` with everything in it; nothing there is fine."""

    @abstractmethod
    def size_of(self, pattern: str) -> int:
        """Bytes of all files whose keys match a pattern such as ``jobs/*/logs/*``; 0 where the store can't tell."""

    def whole(self, artifact: Artifact) -> Path:
        """The file on this machine, once it is sure to be what was committed; it is read again only when it changes.

        Raises:
            DamagedArtifactError: it is something else, or not there.
        """
        try:
            path = self.path(artifact.key, artifact.sha256)
            with self.faults(f"read {artifact.key}"):
                stat = path.stat()
                stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, artifact.sha256)
                if self._checked.get(artifact.key) != stamp:
                    with path.open("rb") as file:
                        found = hashlib.file_digest(file, "sha256").hexdigest()
                    if found != artifact.sha256:
                        raise DamagedArtifactError(
                            f"{artifact.name} is damaged: it is not the file that was made.", artifact.name
                        )
                    self._note_checked(artifact.key, stamp)
        except NotFoundError:
            raise DamagedArtifactError(f"{artifact.name} is gone from {self.url}.", artifact.name) from None
        return path

    def save_tensors(
        self, key: str, values: Mapping[str, "torch.Tensor"], metadata: Mapping[str, str], *, name: str = ""
    ) -> Artifact:
        """Write tensors of any device as safetensors; ``metadata`` such as job, section, attempt, input hashes."""
        return self.write(key, tensors.packed(values, metadata), name=name, media_type=tensors.SAFETENSORS)

    def load_tensors(self, key: str, sha256: str | None = None) -> dict[str, "torch.Tensor"]:
        """Read tensors, on the CPU; DamagedArtifactError when it is no such file or its hash is not ``sha256``."""
        return tensors.unpacked(self.read(key, sha256), key)

    def tensor_metadata(self, key: str) -> dict[str, str]:
        """The metadata that ``save_tensors`` wrote, of whose file no more than the header is read."""
        return tensors.metadata(lambda size: self.read_start(key, size), key)

    def _note_checked(self, key: str, stamp: tuple[int, int, int, str]) -> None:
        if len(self._checked) >= MOST_CHECKED:
            self._checked.pop(next(iter(self._checked)), None)
        self._checked[key] = stamp

    @contextmanager
    def faults(self, doing: str) -> Iterator[None]:
        """Turn the operating system's errors into the farm's."""
        try:
            yield
        except FileNotFoundError as error:
            raise missing(doing) from error
        except (FarmError, MemoryError):
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(
                f"can't {doing} in the artifact store {self.url}: {reason}. Free space or make it writable."
            ) from error


def missing(doing: str) -> NotFoundError:
    """For a key that there is not."""
    return NotFoundError(f"can't {doing}: there is no such artifact.")


def damaged(key: str) -> DamagedArtifactError:
    """For a file whose content is not what was recorded."""
    return DamagedArtifactError(f"artifact {key} is damaged: its content does not match the hash recorded for it.")


def checked_key(key: str) -> str:
    """``key``, if it is one; keys stay inside the store.

    Raises:
        InputError: it is none.
    """
    parts = key.split("/")
    if not key or "\\" in key or "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{key!r} is no artifact key; expected a relative path such as jobs/1/video.mp4.")
    return key


def name_of(key: str) -> str:
    """An artifact's name, where none is given."""
    return posixpath.basename(key).partition(".")[0]
