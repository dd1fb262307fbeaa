"""Artifacts in an object store, such as S3, by fsspec."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from fsspec.core import url_to_fs

from farm.errors import FarmError, InputError, StorageError

from .cache import Incoming
from .cached import Transport
from .streams import CHUNK


class ObjectTransport(Transport):
    """Objects appear whole by themselves. Renaming is copying and removing: the target appears whole, too.

    Whatever goes wrong on the way is a StorageError: it is nobody else's fault.

    ``url``: of fsspec, such as ``s3://bucket/folder``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._fs, self._root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise InputError(f"can't use the artifact store {url!r}: {error}.") from error

    def upload(self, key: str, file: Path, size: int, sha256: str) -> None:
        with self._faults(f"write {key}"):
            try:
                self._fs.put_file(str(file), self._full(key))
            except FileNotFoundError as error:  # the bucket is not there
                raise StorageError(f"can't write {key} in the artifact store {self._url}: {error}") from error

    def download(self, key: str, incoming: Incoming, sha256: str | None) -> None:
        with self._faults(f"read {key}"), self._fs.open(self._full(key), "rb", cache_type="none") as source:
            while chunk := source.read(8 * CHUNK):
                incoming.write(chunk)

    def read_start(self, key: str, size: int) -> bytes:
        with self._faults(f"read {key}"):
            return cast(bytes, self._fs.cat_file(self._full(key), start=0, end=size))

    def publish(self, private_key: str, key: str) -> None:
        source, target = self._full(private_key), self._full(key)
        with self._faults(f"publish {key}"):
            try:
                self._fs.cp_file(source, target)
            except FileNotFoundError:
                if not self.exists(key):
                    raise
                return
            with suppress(FileNotFoundError):
                self._fs.rm_file(source)

    def copy(self, source_key: str, key: str) -> None:
        with self._faults(f"copy {source_key}"):
            self._fs.cp_file(self._full(source_key), self._full(key))

    def exists(self, key: str) -> bool:
        with self._faults(f"look for {key}"):
            try:  # fsspec's isfile takes trouble for absence
                return bool(self._fs.info(self._full(key))["type"] == "file")
            except FileNotFoundError:
                return False

    def remove(self, prefix: str) -> None:
        with self._faults(f"remove {prefix}"), suppress(FileNotFoundError):
            self._fs.rm(self._full(prefix), recursive=True)

    def size_of(self, pattern: str) -> int:
        with self._faults(f"measure {pattern}"):
            return sum(found["size"] or 0 for found in self._fs.glob(self._full(pattern), detail=True).values())

    def _full(self, key: str) -> str:
        return f"{self._root}/{key}"

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FarmError, MemoryError):
            raise
        except Exception as error:  # clients of object stores raise whatever they like
            reason = " ".join(f"{type(error).__name__}: {_without_query(error)}".split())[:300]
            raise StorageError(f"can't {doing} in the artifact store {self._url}: {reason}") from error


def _without_query(error: Any) -> str:
    """Its message, without signatures that URLs in it may carry."""
    return " ".join(word.partition("?")[0] for word in str(error).split())
