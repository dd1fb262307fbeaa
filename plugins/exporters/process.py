"""Runs an exporter in a process of its own, so that one that hangs or crashes costs a task and never a replica.

Frames are streamed through a pipe, one at a time. The time limit is on silence, not on the whole: it starts anew with
every frame that the exporter takes, and once more when it has them all. Whatever the exporter starts ends with it.
"""

import json
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import farm.errors
from farm.errors import FarmError, PluginError, PluginFault, ProcessLostError
from farm.processes import Child, ending, last_words, module_command

from ..manager import OfferedExporter, OfferedPostProcessor
from ..post.base import Shape
from .base import ExportInfo, Frame
from .written import Facts

WORKER = "plugins.exporters.worker"
NOTED = 8000
"""Bytes of what an exporter printed last that are noted on its failure, for the log."""


Step = tuple[OfferedPostProcessor, Mapping[str, Any]]
"""A post-processor and the options that were given."""


@dataclass(frozen=True)
class Written:
    """A finished export. ``file``: what it is, as a look at it said; ``shape``: of the frames that are in it."""

    file: Facts
    shape: Shape


def export_apart(
    exporter: OfferedExporter,
    frames: Iterator[Frame],
    path: Path,
    info: ExportInfo,
    seconds: float,
    steps: Sequence[Step] = (),
) -> Written:
    """Let ``exporter`` write ``path``, look at what it wrote, and give what that is; memory holds one frame.

    Args:
        exporter: which one.
        frames: uint8 [height, width, 3] in viewer order.
        path: what to write; temporary files go to its folder, too.
        info: facts about ``frames``; ``options`` are those that differ from the exporter's own, by name.
        seconds: for how long it may do nothing.
        steps: post-processors that the frames pass before, in that order and in the same process.

    Raises:
        PluginFault: its own code failed, or wrote no whole file, and would again; says where.
        PluginError: it could not be loaded, crashed, or took no frame for ``seconds``; says which.
        ProcessLostError: it was killed from outside.
        FarmError: another error of the farm that it raised, such as StorageError for a full disk.
        OSError, MemoryError: as it raised them.

    Whatever ``frames`` raises stops the exporter and is passed on.
    """
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(path.parent)}
    command = module_command(WORKER)
    with tempfile.TemporaryFile() as noise:
        with Child(command, seconds, environment=environment, stderr=noise) as child:
            answer = b""
            with suppress(BrokenPipeError):  # it ended early; its answer says why
                with child.limited():
                    pickle.dump((exporter, path, info, tuple(steps)), child.stdin)
                    child.stdin.flush()
                for frame in frames:
                    with child.limited():
                        child.stdin.write(frame.tobytes())
            with child.limited():
                with suppress(BrokenPipeError):
                    child.stdin.close()
                answer = child.stdout.readline()
                if not answer:
                    child.process.wait()
        if child.expired:
            raise PluginError(
                f"exporter {exporter.name!r} did nothing for {seconds:g} s and was stopped; "
                "set FARM_EXPORTER_SECONDS higher if it needs longer."
            )
        try:
            return _judge(exporter.name, answer, child.process.returncode, noise)
        except Exception as error:
            noise.seek(0)
            error.add_note(f"What its process said:\n{noise.read()[-NOTED:].decode(errors='replace')}")
            raise


def _judge(name: str, answer: bytes, code: int, noise: IO[bytes]) -> Written:
    """What it wrote; raises what the exporter's answer says, or why there is none."""
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError:
        if code == -signal.SIGKILL:
            raise ProcessLostError(f"the process of exporter {name!r} was killed; it can be tried again.") from None
        words = last_words(noise)
        last = f"; its last words: {words}" if words else ""
        how = f"was ended by {ending(code)}" if code < 0 else f"ended with {ending(code)}"
        raise PluginError(f"exporter {name!r} {how} in the middle of its work{last}.") from None
    if "error" not in said:
        return Written(said["written"], Shape(**said["shape"]))
    kind, message, where = said["error"], said["message"], said["where"]
    at = f" ({where})" if where else ""
    if said["hopeless"]:
        spoken = kind in ("PluginError", "FarmError")
        raise PluginFault(f"{message}{at}" if spoken else f"exporter {name!r} failed: {kind}: {message}{at}", where)
    ours = getattr(farm.errors, kind, None)
    if isinstance(ours, type) and issubclass(ours, FarmError):
        raise ours(message)
    if said["errno"] is not None:
        raise OSError(said["errno"], message)
    if kind == "MemoryError":
        raise MemoryError(message)
    raise PluginError(f"exporter {name!r} failed: {kind}: {message}{at}", where)
