"""What a machine has of a store that is elsewhere: files by their hash, as many as fit, for all its processes.

A file appears under its hash when it is complete, by a rename. Whoever reads or writes one holds a lock that the system
frees when the process ends, however it ends: what is locked is in use and stays, and a file that is being written and
is not locked belongs to nobody and goes. The files used least recently go first.
"""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from farm.errors import StorageError
from farm.locks import lock, try_lock

LOW_WATER = 0.9
"""Share of the limit that is left after making room, so that it needn't be made for each file."""
SLACK = 0.02
"""Share of the limit that a process may add before it looks again at what others have added."""
MOST_LENT = 64
"""Files given out by path that a process keeps from being removed."""


class Incoming:
    """A file on its way into the cache. ``path`` may be read while it is open."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self._digest, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Append; StorageError when there is no room."""
        with _own_faults(self.path.parent):
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def start_again(self) -> None:
        """Forget what was written."""
        with _own_faults(self.path.parent):
            self._file.seek(0)
            self._file.truncate()
        self._digest, self.size = hashlib.sha256(), 0

    def finish(self) -> str:
        """All is written; its sha256."""
        with _own_faults(self.path.parent):
            self._file.flush()
        return self._digest.hexdigest()

    def read(self) -> bytes:
        """All that was written."""
        self._file.seek(0)
        return self._file.read()

    def move(self, target: Path) -> None:
        """Have it under another name, where others may read it."""
        self.path.replace(target)
        lock(self._file, shared=True)


class Cache:
    """See the module. Safe for any number of threads and processes of one machine.

    Args:
        folder: where the files are; made when it is needed. Not on a network drive.
        limit: bytes; exceeded only by files in use.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._incoming = folder / "incoming"
        self._lent: OrderedDict[str, BinaryIO] = OrderedDict()
        self._guard = threading.Lock()
        self._total, self._added = 0, limit + 1  # what there is is not known yet

    def open(self, sha256: str) -> BinaryIO | None:
        """The file with this hash, open for reading and in use until it is closed; None when it is not here."""
        path = self._path(sha256)
        try:
            file = path.open("rb")
        except OSError:
            return None
        try:
            lock(file, shared=True)
            found = os.fstat(file.fileno())
            if found.st_nlink == 0:  # removed before it was locked
                file.close()
                return None
            with suppress(OSError):
                os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
        except BaseException:
            file.close()
            raise
        return file

    def read(self, sha256: str) -> bytes | None:
        """The content with this hash; None when it is not here. A file with another content is removed."""
        file = self.open(sha256)
        if file is None:
            return None
        with file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            self.remove(sha256)
            return None
        return data

    def lend(self, sha256: str) -> Path | None:
        """Its path, for those who open it themselves; in use until ``MOST_LENT`` others were lent to this process."""
        with self._guard:
            file = self._lent.pop(sha256, None)
            if file is not None and os.fstat(file.fileno()).st_nlink == 0:
                file.close()
                file = None
            file = file or self.open(sha256)
            if file is None:
                return None
            self._lent[sha256] = file
            if len(self._lent) > MOST_LENT:
                self._lent.popitem(last=False)[1].close()
        return self._path(sha256)

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A file to write to, gone at the end unless it was ``kept``.

        Raises:
            StorageError: the disk of the cache is full, or not writable.
        """
        with _own_faults(self._folder):
            path, file = self._new()
        try:
            yield Incoming(path, file)
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # closing tries once more to write what did not fit; that was said already
                file.close()

    def keep(self, incoming: Incoming) -> str:
        """Have a written file in the cache from now on; gives its hash."""
        sha256 = incoming.finish()
        target = self._path(sha256)
        with _own_faults(self._folder):
            target.parent.mkdir(exist_ok=True)
            incoming.move(target)
        with self._guard:
            self._added += incoming.size
            due = self._total + self._added > self._limit or self._added > SLACK * self._limit
        if due:
            self.make_room()
        return sha256

    def remove(self, sha256: str) -> None:
        """Remove a file that is not what its name says."""
        self._path(sha256).unlink(missing_ok=True)

    def make_room(self) -> None:
        """Remove what was used least recently until the rest fits, and what dead processes have left."""
        with _own_faults(self._folder), self._one_at_a_time() as alone:
            if not alone:
                return
            self._sweep_incoming()
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            room = total if total <= self._limit else LOW_WATER * self._limit
            for _, size, path in files:
                if total <= room:
                    break
                if _remove_unused(path):
                    total -= size
        with self._guard:
            self._total, self._added = total, 0

    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self._files())

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _new(self) -> tuple[Path, BinaryIO]:
        while True:
            self._incoming.mkdir(parents=True, exist_ok=True)
            path = self._incoming / f"{uuid4().hex}.part"
            file = path.open("x+b")
            lock(file)
            if os.fstat(file.fileno()).st_nlink:
                return path, file
            file.close()  # taken for a leftover before it was locked

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Of each complete file when it was last used, its bytes and its path."""
        for folder in self._folder.glob("??"):
            for path in folder.iterdir():
                with suppress(OSError):
                    stat = path.stat()
                    yield stat.st_atime_ns, stat.st_size, path

    def _sweep_incoming(self) -> None:
        for path in self._incoming.glob("*.part"):
            _remove_unused(path)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[bool]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("ab") as file:
            yield try_lock(file)


@contextmanager
def _own_faults(folder: Path) -> Iterator[None]:
    """It is this machine's disk that has a problem, not the store."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't write the cache {folder} of this machine: {error.strerror or error}. Free space there, lower "
            "FARM_CACHE_GB or make it writable."
        ) from error


def _remove_unused(path: Path) -> bool:
    """Whether the file is gone now; one that somebody has locked stays."""
    try:
        with path.open("rb") as file:
            if not try_lock(file) or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return False
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
