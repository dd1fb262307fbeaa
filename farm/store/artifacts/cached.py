"""A store that is elsewhere, behind the cache of this machine."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, BinaryIO

from farm.errors import StorageError
from farm.jobs.records import Artifact

from .cache import Cache, Incoming
from .protocol import OCTETS, ArtifactStore, checked_key, damaged, name_of
from .streams import CHUNK, opened


class Transport(ABC):
    """How files go to a store and come from it. Keys have been checked.

    Methods raise FileNotFoundError for a missing key, and otherwise FarmErrors or OSErrors.
    """

    @abstractmethod
    def upload(self, key: str, file: Path, size: int, sha256: str) -> None:
        """Have the file there, complete or not at all."""

    @abstractmethod
    def download(self, key: str, incoming: Incoming, sha256: str | None) -> None:
        """Write what is there to ``incoming``, which is empty; all that arrives, arrives unchanged.

        ``sha256``: what is expected; something else may be there.
        """

    @abstractmethod
    def read_start(self, key: str, size: int) -> bytes:
        """The first bytes of a file."""

    def known_hash(self, key: str) -> str | None:
        """The hash of the file that is there now, if the store tells without sending it."""
        return None

    @abstractmethod
    def publish(self, private_key: str, key: str) -> None:
        """Rename; raises FileNotFoundError when there is neither."""

    @abstractmethod
    def copy(self, source_key: str, key: str) -> None:
        """Copy within the store."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def remove(self, prefix: str) -> None:
        """Remove a file or all below a prefix."""

    def size_of(self, pattern: str) -> int:
        """Bytes of all files whose keys match, if the store tells."""
        return 0


class CachedStore(ArtifactStore):
    """What this machine wrote or read lately is on its disk: it is read from there when its hash is known.

    Args:
        url: for people.
        transport: the way to the store.
        cache: shared by all processes of this machine.
    """

    def __init__(self, url: str, transport: Transport, cache: Cache) -> None:
        super().__init__(url)
        self._transport, self._cache = transport, cache

    def write(self, key: str, data: bytes | IO[bytes] | Path, *, name: str = "", media_type: str = OCTETS) -> Artifact:
        checked_key(key)
        with self.faults(f"write {key}"), opened(data) as source, self._cache.incoming() as incoming:
            while chunk := source.read(CHUNK):
                incoming.write(chunk)
            sha256 = incoming.finish()
            self._transport.upload(key, incoming.path, incoming.size, sha256)
            self._cache.keep(incoming)
        return Artifact(name or name_of(key), key, incoming.size, sha256, media_type)

    def publish(self, private_key: str, key: str) -> None:
        with self.faults(f"publish {key}"):
            self._transport.publish(checked_key(private_key), checked_key(key))

    def copy(self, source_key: str, key: str) -> None:
        with self.faults(f"copy {source_key}"):
            self._transport.copy(checked_key(source_key), checked_key(key))

    def open_read(self, key: str) -> BinaryIO:
        checked_key(key)
        with self.faults(f"read {key}"):
            for _ in range(2):  # it may be removed right after it came, where there is no room
                if file := self._cache.open(self._fetched(key)):
                    return file
        raise StorageError(f"can't read {key}: the cache of this machine is too small; raise FARM_CACHE_GB.")

    def read(self, key: str, sha256: str | None = None) -> bytes:
        checked_key(key)
        with self.faults(f"read {key}"):
            sha256 = sha256 or self._transport.known_hash(key)
            data = self._cache.read(sha256) if sha256 else None
            return self._read_through(key, sha256) if data is None else data

    def read_start(self, key: str, size: int) -> bytes:
        with self.faults(f"read {key}"):
            return self._transport.read_start(checked_key(key), size)

    def path(self, key: str, sha256: str | None = None) -> Path:
        checked_key(key)
        with self.faults(f"read {key}"):
            for _ in range(2):
                if path := self._cache.lend(self._fetched(key, sha256)):
                    return path
        raise StorageError(f"can't read {key}: the cache of this machine is too small; raise FARM_CACHE_GB.")

    def exists(self, key: str) -> bool:
        with self.faults(f"look for {key}"):
            return self._transport.exists(checked_key(key))

    def remove_prefix(self, prefix: str) -> None:
        with self.faults(f"remove {prefix}"):
            self._transport.remove(checked_key(prefix))

    def size_of(self, pattern: str) -> int:
        with self.faults(f"measure {pattern}"):
            return self._transport.size_of(checked_key(pattern))

    def _fetched(self, key: str, sha256: str | None = None) -> str:
        """The hash under which the file is in the cache now."""
        sha256 = sha256 or self._transport.known_hash(key)
        if sha256 is not None and (file := self._cache.open(sha256)):
            file.close()
            return sha256
        with self._cache.incoming() as incoming:
            self._transport.download(key, incoming, sha256)
            return self._cache.keep(incoming)

    def _read_through(self, key: str, sha256: str | None) -> bytes:
        with self._cache.incoming() as incoming:
            self._transport.download(key, incoming, sha256)
            if sha256 is not None and incoming.finish() != sha256:
                raise damaged(key)
            self._cache.keep(incoming)
            return incoming.read()
