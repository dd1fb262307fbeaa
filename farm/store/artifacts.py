"""The artifact store: files under any fsspec URL, complete or not there at all."""

import hashlib
import io
import json
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from farm.errors import DamagedArtifactError, FarmError, InputError, NotFoundError, StorageError
from farm.jobs.records import Artifact

if TYPE_CHECKING:
    import torch

CHUNK = 1 << 20
SAFETENSORS = "application/vnd.safetensors"
MOST_CHECKED = 4096
"""Files that are remembered to be whole."""


class ArtifactStore:
    """Files by key, a relative path such as ``jobs/1f/latents-000.safetensors``. Thread-safe.

    A local store writes under a hidden name beside the target, flushes to disk and renames, so that a file is never
    seen half-written; object stores do the same by themselves.

    Methods raise StorageError when the store is full, read-only or gone, and NotFoundError for a missing key.

    ``url``: any fsspec URL; a plain path is a local folder.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            # as_uri() escapes characters as RFC 8089 says, but fsspec takes file URLs literally
            self._fs, self._root = url_to_fs(unquote(url) if url.startswith("file:") else url)
        except (ImportError, ValueError) as error:
            raise InputError(f"can't use the artifact store {url!r}: {error}.") from error
        self._local = isinstance(self._fs, LocalFileSystem)
        self._checked: dict[str, tuple[int, int, int, str]] = {}

    def write(
        self, key: str, data: bytes | IO[bytes] | Path, *, name: str = "", media_type: str = "application/octet-stream"
    ) -> Artifact:
        """Write bytes, an open binary file or the file at a path under ``key``, replacing what was there.

        ``name`` is the artifact's name; default: the key's file name without extension.
        """
        target = self._full(key)
        with self._faults(f"write {key}"), _source(data) as source:
            size, sha256 = (
                self._write_local(Path(target), source) if self._local else self._write_remote(target, source)
            )
        return Artifact(name or posixpath.basename(key).partition(".")[0], key, size, sha256, media_type)

    def publish(self, private_key: str, key: str) -> None:
        """Rename a file, replacing what was there; a no-op when it was renamed already."""
        source, target = self._full(private_key), self._full(key)
        with self._faults(f"publish {key}"):
            try:
                if self._local:
                    Path(target).parent.mkdir(parents=True, exist_ok=True)
                    Path(source).replace(target)
                    _sync_folder(Path(target).parent)
                else:
                    self._fs.mv(source, target)
            except FileNotFoundError:
                if not self._fs.exists(target):
                    raise

    def copy(self, source_key: str, key: str) -> None:
        """Have a committed file under another key, too; NotFoundError when it is gone. It takes no room twice where it
        need not, and stays when the other one is removed."""
        source, target = self._full(source_key), self._full(key)
        with self._faults(f"copy {source_key}"):
            if not self._local:
                self._fs.cp_file(source, target)
                return
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            aside = Path(f"{target}.{uuid4().hex}")
            try:
                aside.hardlink_to(source)
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, aside)
            aside.replace(target)
            _sync_folder(Path(target).parent)

    def open_read(self, key: str) -> BinaryIO:
        """Open for reading from the start; the file can be sought in. The caller closes it."""
        with self._faults(f"read {key}"):
            return cast(BinaryIO, self._fs.open(self._full(key), "rb"))

    def read(self, key: str, sha256: str | None = None) -> bytes:
        """The whole file; DamagedArtifactError when its hash is not ``sha256``."""
        with self._faults(f"read {key}"):
            data = cast(bytes, self._fs.cat_file(self._full(key)))
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise DamagedArtifactError(
                f"artifact {key} is damaged: its content does not match the hash recorded for it."
            )
        return data

    def path(self, key: str) -> Path:
        """The file on this machine; of a remote store, a copy in a temporary folder, which stays there."""
        full = self._full(key)
        if self._local:
            return Path(full)
        with self._faults(f"read {key}"):
            copy = Path(tempfile.mkdtemp(prefix="framepack-farm-")) / posixpath.basename(key)
            self._fs.get_file(full, str(copy))
            return copy

    def whole(self, artifact: Artifact) -> Path:
        """The file on this machine, once it is sure to be what was committed; it is read again only when it changes.

        Raises:
            DamagedArtifactError: it is something else, or not there.
        """
        try:
            path = self.path(artifact.key)
            with self._faults(f"read {artifact.key}"):
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

    def _note_checked(self, key: str, stamp: tuple[int, int, int, str]) -> None:
        if len(self._checked) >= MOST_CHECKED:
            self._checked.pop(next(iter(self._checked)), None)
        self._checked[key] = stamp

    def exists(self, key: str) -> bool:
        """Whether there is a complete file under ``key``."""
        with self._faults(f"look for {key}"):
            return bool(self._fs.isfile(self._full(key)))

    def remove_prefix(self, prefix: str) -> None:
        """Remove the folder or file at ``prefix`` with everything in it; nothing there is fine."""
        full = self._full(prefix)
        with self._faults(f"remove {prefix}"), suppress(FileNotFoundError):
            self._fs.rm(full, recursive=True)

    def save_tensors(
        self, key: str, tensors: Mapping[str, "torch.Tensor"], metadata: Mapping[str, str], *, name: str = ""
    ) -> Artifact:
        """Write tensors of any device as safetensors; ``metadata`` such as job, section, attempt, input hashes."""
        from safetensors.torch import save

        flat = {label: tensor.detach().cpu().contiguous() for label, tensor in tensors.items()}
        return self.write(key, _with_metadata(save(flat), metadata), name=name, media_type=SAFETENSORS)

    def load_tensors(self, key: str, sha256: str | None = None) -> dict[str, "torch.Tensor"]:
        """Read tensors, on the CPU; DamagedArtifactError when it is no such file or its hash is not ``sha256``."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return cast(dict[str, Any], load(self.read(key, sha256)))
        except SafetensorError as error:
            raise DamagedArtifactError(f"artifact {key} is damaged: {error}.") from error

    def tensor_metadata(self, key: str) -> dict[str, str]:
        """The metadata that ``save_tensors`` wrote."""
        with self.open_read(key) as file, self._faults(f"read {key}"):
            length = int.from_bytes(file.read(8), "little")
            try:
                return cast(dict[str, str], json.loads(file.read(min(length, 100 * CHUNK))).get("__metadata__", {}))
            except ValueError as error:
                raise DamagedArtifactError(f"artifact {key} is damaged: it is not a safetensors file.") from error

    def _write_local(self, target: Path, source: IO[bytes]) -> tuple[int, str]:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid4().hex}.part")
        try:
            with aside.open("xb") as file:
                size, sha256 = _copy(source, file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
        return size, sha256

    def _write_remote(self, target: str, source: IO[bytes]) -> tuple[int, str]:
        self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
        with self._fs.open(target, "wb") as file:
            try:
                return _copy(source, file)
            except BaseException:
                with suppress(Exception):
                    file.discard()
                raise

    def _full(self, key: str) -> str:
        parts = key.split("/")
        if not key or "\\" in key or "\0" in key or any(part in ("", ".", "..") for part in parts):
            raise InputError(f"{key!r} is no artifact key; expected a relative path such as jobs/1/video.mp4.")
        return posixpath.join(self._root, key)

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        """Turn the operating system's errors into the farm's."""
        try:
            yield
        except FileNotFoundError as error:
            raise NotFoundError(f"can't {doing}: there is no such artifact.") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(
                f"can't {doing} in the artifact store {self.url}: {reason}. Free space or make it writable."
            ) from error
        except (FarmError, MemoryError):
            raise
        except Exception as error:
            if self._local:
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise StorageError(f"can't {doing} in the artifact store {self.url}: {reason}.") from error


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Put sorted metadata into a safetensors file; the library writes it in random order, so hashes would differ."""
    start = 8 + int.from_bytes(data[:8], "little")
    entries = {label: str(metadata[label]) for label in sorted(metadata)}
    header = json.dumps({"__metadata__": entries, **json.loads(data[8:start])}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


@contextmanager
def _source(data: bytes | IO[bytes] | Path) -> Iterator[IO[bytes]]:
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield file
    else:
        yield io.BytesIO(data) if isinstance(data, bytes) else data


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    """Copy all bytes; return how many and their sha256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; where folders can't be synchronised (Windows, some network drives) nothing is done."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
