"""Child processes that can't outlive their use: ended with all that they started, however either side dies.

A child carries in its environment who started it and which family it belongs to; whatever it starts inherits both.
Hence a family is found and ended even when some of it moved to a session of its own, or lost its parent.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

import psutil

OWNER = "FARM_CHILD_OF"
"""Environment variable of every child: id and start of the process that started it."""
FAMILY = "FARM_CHILD_FAMILY"
"""Environment variable of every child: a name that no other child has."""
SCRATCH = "farm-"
"""Temporary folders of the farm are called so, followed by the owner's process id."""

_PR_SET_PDEATHSIG = 1
_CHECK_SECONDS = 0.5


class Child:
    """A running child process with pipes; used as a context manager, which ends its family.

    Args:
        command: what to run. A module of ours should call ``die_with_parent`` first thing.
        seconds: longest time that a ``limited`` block may take; then the family is ended and ``expired`` is true.
        environment: variables added to this process's own.
        folder: where to run it.
        stderr: where its noise goes; default: nowhere.
        stdout: where its output goes; default: a pipe.
    """

    def __init__(
        self,
        command: Sequence[str],
        seconds: float,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.PIPE,
    ) -> None:
        self.expired = False
        self.family = uuid4().hex
        marks = {OWNER: mark_of_owner(), FAMILY: self.family}
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {}), **marks},
            cwd=folder,
            start_new_session=True,
        )
        self._seconds = seconds
        self._deadline: float | None = None
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, name="child watch", daemon=True)
        self._watch.start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    @contextmanager
    def limited(self) -> Iterator[None]:
        """A block that waits for the child. When it takes too long the child is ended, and its pipes with it."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._deadline = None

    def end(self) -> None:
        """End the child and everything it started; returns when nothing of it runs. Harmless when it is over."""
        self._ended.set()
        if threading.current_thread() is not self._watch:
            self._watch.join()
        self._kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _look(self) -> None:
        pause = min(_CHECK_SECONDS, self._seconds / 4)
        gone = False
        while not self._ended.wait(pause):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.expired = True
                self._kill()
                return
            if gone:  # what it left behind may hold its pipes, and whoever reads them, for ever
                self._kill()
                return
            gone = self.process.poll() is not None

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        end_family(self.family)


def module_command(module: str, *words: str) -> list[str]:
    """What runs a module of ours. It imports nothing from the folder that it is started in: people work in projects
    that have a ``model`` or a ``farm`` of their own."""
    return [sys.executable, "-P", "-m", module, *words]


def start_service(module: str, words: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    """A module of ours as a process that outlives this one; what it prints begins ``log`` anew."""
    with log.open("wb") as output:
        return subprocess.Popen(
            module_command(module, *words),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def mark_of_owner() -> str:
    """What ``OWNER`` is in the children of this process."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_child() -> bool:
    """Whether this process was started as a ``Child``, or by one."""
    return OWNER in os.environ


def die_with_parent() -> None:
    """In a child's main: be killed when the process that started it dies, however it dies (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    owner = os.environ.get(OWNER, "").partition(":")[0]
    if owner.isdecimal() and os.getppid() != int(owner):  # it died before the line above
        os._exit(1)


def end_owner(mark: str) -> None:
    """SIGKILL to the process with this ``mark_of_owner``, which may be frozen; harmless when it is dead."""
    pid, _, started = mark.partition(":")
    if pid.isdecimal() and _started(int(pid)) == started:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(pid), signal.SIGKILL)


def limit_resources(memory: int, cpu_seconds: int, file_bytes: int) -> None:
    """In a child's main: more memory raises MemoryError, more computing or larger files end the process."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def end_family(family: str) -> None:
    """SIGKILL to every process of this family but this one; returns when none is left, or after two seconds."""
    deadline = time.monotonic() + 2.0
    while found := [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _variable(process, FAMILY) == family
    ]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=0.2)
        if time.monotonic() > deadline:
            return


def sweep() -> int:
    """End the children of processes that have died, and remove the temporary folders of such; how many there were."""
    return _clean(lambda pid, started: _started(pid) != started, lambda pid: not is_alive(pid))


def end_children() -> int:
    """The same for this process: end all its children, and remove its temporary folders."""
    return _clean(lambda pid, started: pid == os.getpid(), lambda pid: pid == os.getpid())


def _clean(ends: Callable[[int, str], bool], forgotten: Callable[[int], bool]) -> int:
    """End children whose owner (process id, start) ``ends`` names, remove folders of processes that are forgotten."""
    count = 0
    for process in psutil.process_iter():
        pid, _, started = _variable(process, OWNER).partition(":")
        if pid.isdecimal() and process.pid != os.getpid() and ends(int(pid), started):
            with suppress(psutil.Error):
                process.kill()
                count += 1
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for folder in parent.glob(f"{SCRATCH}*-*"):
            owner = folder.name.removeprefix(SCRATCH).partition("-")[0]
            if owner.isdecimal() and forgotten(int(owner)):
                remove_with_users(folder)
                count += 1
    return count


def remove_with_users(folder: Path) -> None:
    """Remove a temporary folder, and end the processes that have files in it open.

    That finds those of Ray, too, which write their title over the environment that they began with.
    """
    for pid in _users(folder):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _users(folder: Path) -> Iterator[int]:
    inside = f"{folder}/"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is somebody else's
            if int(process.name) != os.getpid() and any(
                os.readlink(link).startswith(inside) for link in (process / "fd").iterdir()
            ):
                yield int(process.name)


def scratch_folder(use: str, parent: Path | None = None) -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder for ``use``; ``sweep`` removes it should this process die before it does."""
    return tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-{use}-", dir=parent, ignore_cleanup_errors=True)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this id, whoever owns it."""
    return psutil.pid_exists(pid)


def _started(pid: int) -> str:
    """When the process began, on a clock that nobody sets; empty when there is none."""
    try:
        if sys.platform == "linux":  # ticks since the machine started; the name before it may hold spaces
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{psutil.Process(pid).create_time():.0f}"
    except (psutil.Error, OSError, IndexError):
        return ""


def _variable(process: psutil.Process, name: str) -> str:
    """From the environment that ``process`` began with; empty when it is none of ours."""
    try:
        return process.environ().get(name, "")
    except (psutil.Error, OSError):
        return ""


def ending(code: int) -> str:
    """How a process ended, for people: ``signal 11 (SIGSEGV)`` or ``code 3``."""
    if code >= 0:
        return f"code {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else "unknown"
    return f"signal {-code} ({name})"


def last_words(noise: IO[bytes]) -> str:
    """The last line that a process wrote into ``noise``; empty when it wrote nothing."""
    noise.seek(0)
    return "".join(noise.read()[-2000:].decode(errors="replace").strip().splitlines()[-1:]).strip()
