"""Runs an exporter in a process of its own, so that one that hangs or crashes costs a task and never a replica.

Frames are streamed through a pipe, one at a time. The time limit is on silence, not on the whole: it starts anew with
every frame that the exporter takes, and once more when it has them all.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import farm.errors
from farm.errors import FarmError, PluginError
from farm.settings import Settings

from .base import ExportInfo, Frame

WORKER = "plugins.exporters.worker"


def export_apart(name: str, frames: Iterator[Frame], path: Path, info: ExportInfo, settings: Settings) -> None:
    """Let the exporter ``name`` of these settings write ``path``; memory holds one frame.

    Raises:
        PluginError: it failed, crashed, or took no frame for ``settings.exporter_seconds``; says which.
        FarmError: another error of the farm that it raised, such as StorageError for a full disk.
        OSError, MemoryError: as it raised them.

    Whatever ``frames`` raises stops the exporter and is passed on.
    """
    with tempfile.TemporaryFile() as noise:
        child = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        assert child.stdin is not None and child.stdout is not None
        watch = _Watch(child, settings.exporter_seconds)
        answer = b""
        try:
            with suppress(BrokenPipeError):  # it ended early; its answer says why
                with watch.limited():
                    pickle.dump((settings, name, path, info), child.stdin)
                    child.stdin.flush()
                for frame in frames:
                    with watch.limited():
                        child.stdin.write(frame.tobytes())
            with watch.limited():
                with suppress(BrokenPipeError):
                    child.stdin.close()
                answer = child.stdout.read()
                child.wait()
        finally:
            watch.end()
        if watch.expired:
            raise PluginError(
                f"exporter {name!r} did nothing for {settings.exporter_seconds:g} s and was stopped; "
                "set FARM_EXPORTER_SECONDS higher if it needs longer."
            )
        _judge(name, answer, child.returncode, noise)


class _Watch:
    """Ends a process that makes its parent wait for too long in one of the ``limited`` blocks."""

    def __init__(self, child: "subprocess.Popen[bytes]", seconds: float) -> None:
        self.expired = False
        self._child = child
        self._seconds = seconds
        self._deadline: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="exporter watch", daemon=True)
        self._thread.start()

    @contextmanager
    def limited(self) -> Iterator[None]:
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._deadline = None

    def end(self) -> None:
        """Stop watching, and the process with all its own if it still runs."""
        self._ended.set()
        self._thread.join()
        self._kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _look(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 4)):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.expired = True
                self._kill()
                return

    def _kill(self) -> None:
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


def _judge(name: str, answer: bytes, code: int, noise: IO[bytes]) -> None:
    """Raise what the exporter's answer says, or why there is none."""
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError:
        how = f"was ended by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
        noise.seek(0)
        lines = noise.read()[-2000:].decode(errors="replace").strip().splitlines()
        last = f"; its last words: {lines[-1]}" if lines else ""
        raise PluginError(f"exporter {name!r} {how} in the middle of its work{last}.") from None
    if "error" not in said:
        return
    kind, message = said["error"], said["message"]
    ours = getattr(farm.errors, kind, None)
    if isinstance(ours, type) and issubclass(ours, FarmError):
        raise ours(message)
    if said["errno"] is not None:
        raise OSError(said["errno"], message)
    if kind == "MemoryError":
        raise MemoryError(message)
    raise PluginError(f"exporter {name!r} failed: {kind}: {message}")
