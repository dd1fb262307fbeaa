"""Files of users are decoded in a child process: one made to exhaust or to break its reader harms nothing else.

The child may take a limited amount of memory and time, writes no files worth speaking of, and ends with whatever
started it. What it says is not trusted either: plain JSON, and pictures whose sizes are checked.
"""

import json
import os
import pickle
import signal
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from farm.errors import InputError, ProcessLostError
from farm.processes import Child, module_command, scratch_folder

from ..choices import CENTRED, Fit
from ..plan.anchors import Given
from .buckets import Bucket
from .footage import FileFacts, Footage
from .limits import MAX_PIXELS, MEMORY, RATE, SAMPLE, SECONDS
from .media import Media

Pixels = npt.NDArray[np.uint8]

HEADER = struct.Struct(">cII")
"""Of a message: ``J`` with the length of its JSON, ``P`` with width and height of a picture, whose RGB follows, or
``S`` with the length of a piece of sound."""
MAX_JSON = 1 << 20
WORKERS = 2
"""Children of this process at a time; others wait for their turn."""

_WORKER = "model.footage.worker"
_turn = threading.BoundedSemaphore(WORKERS)


def open_apart(
    media: Media,
    buckets: Sequence[Bucket],
    *,
    given: Given,
    fps: int,
    blank: str = "noise",
    seed: int = 0,
    fit: Fit = CENTRED,
    pieces: tuple[int, int] | None = None,
) -> Footage:
    """``opening.open_footage``, in a child.

    Raises:
        InputError: a file can't be used, or takes too much memory or time to be decoded.
        ProcessLostError: the child was killed from outside; it can be tried again.
    """
    options = {"given": given, "fps": fps, "blank": blank, "seed": seed, "fit": fit, "pieces": pieces}
    with _turn, _decoding("footage", {"media": media, "buckets": tuple(buckets), **options}) as messages:
        facts = {name: FileFacts(**found) for name, found in _expect(messages, dict)["facts"].items()}
        anchors: dict[str, list[Image.Image]] = {}
        start = _expect(messages, Image.Image)
        for name, count in _expect(messages, dict)["anchors"].items():
            anchors[str(name)] = [_expect(messages, Image.Image) for _ in range(int(count))]
    return Footage(start, anchors, facts)


def open_image_apart(data: bytes, what: str = "", side: int | None = None) -> tuple[FileFacts, Image.Image]:
    """``pictures.open_image``, in a child: its facts, and the picture, at most ``side`` pixels a side if that is given.

    Raises what ``open_apart`` does.
    """
    with _turn, _decoding("picture", {"data": data, "what": what, "side": side}) as messages:
        return FileFacts(**_expect(messages, dict)), _expect(messages, Image.Image)


@contextmanager
def frames_apart(
    data: bytes, fps: int, bucket: Bucket | None = None, fit: Fit = CENTRED
) -> Iterator[tuple[FileFacts, Iterator[Pixels]]]:
    """The facts of a video, and its pictures at ``fps``, [height, width, 3] uint8, as they come into the bucket, or in
    their own size.

    Raises what ``open_apart`` does.
    """
    with _decoding("frames", {"data": data, "fps": fps, "bucket": bucket, "fit": fit}) as messages:
        facts = FileFacts(**_expect(messages, dict))
        yield facts, (np.asarray(_expect(messages, Image.Image)) for _ in range(facts.frames))


def sound_apart(data: bytes, *, track: bool = False) -> Iterator[bytes]:
    """``sound.read_sound``, in a child. Raises what ``open_apart`` does."""
    with _decoding("sound", {"data": data, "track": track}) as messages:
        for message in messages:
            if not isinstance(message, bytes):
                return
            yield message


def texts_apart(path: Path) -> dict[str, str]:
    """``texts.read_texts``, in a child. Raises what ``open_apart`` does."""
    with _turn, _decoding("texts", {"path": str(path.resolve())}) as messages:
        return {str(name): str(text) for name, text in _expect(messages, dict).items()}


def sound_seconds_apart(data: bytes) -> float:
    """Length of a sound track, which is decoded whole in a child. Raises what ``open_apart`` does."""
    with _turn:
        return sum(map(len, sound_apart(data, track=True))) / SAMPLE / RATE


def _expect(messages: Iterator[Any], kind: type) -> Any:
    found = next(messages, None)
    if not isinstance(found, kind):
        raise InputError("the file can't be decoded; save it again, as PNG or as H.264 in MP4.")
    return found


@contextmanager
def _decoding(command: str, request: dict[str, Any]) -> Iterator[Iterator[Any]]:
    """The messages of a child that does ``command``; no single one may take longer than ``SECONDS``."""
    line = module_command(_WORKER, str(MEMORY), str(SECONDS))
    with scratch_folder("decode") as folder:
        with Child(line, SECONDS, environment=_environment(folder), folder=Path(folder)) as child:
            with suppress(BrokenPipeError), child.limited():  # it ended early; what it said says why
                pickle.dump((command, request), child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                child.stdin.close()
            yield _messages(child)


def _environment(folder: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, sys.path))
    return {"PYTHONPATH": path, "TMPDIR": folder, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def _messages(child: Child) -> Iterator[Any]:
    while True:
        with child.limited():
            message = _read(child.stdout)
        if message is None:
            raise _ended(child)
        if isinstance(message, dict) and "error" in message:
            raise InputError(str(message["error"]))
        yield message


def _read(stream: IO[bytes]) -> "dict[str, Any] | Image.Image | bytes | None":
    """The next message; None when there is none, or none that makes sense."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, first, second = HEADER.unpack(header)
    size = first * second * 3 if kind == b"P" else first
    if kind not in (b"J", b"P", b"S") or size > (3 * MAX_PIXELS if kind == b"P" else MAX_JSON):
        return None
    body = stream.read(size)
    if len(body) < size:
        return None
    if kind == b"P":
        return Image.frombytes("RGB", (first, second), body)
    if kind == b"S":
        return body
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _ended(child: Child) -> Exception:
    """Why a child says nothing more."""
    if child.expired:
        return InputError(f"the file took longer than {SECONDS:g} s to decode; cut it, or save it smaller.")
    code = child.process.wait()
    if code in (-signal.SIGKILL, -signal.SIGTERM):
        return ProcessLostError("the process that decodes files was killed; try again.")
    if code == -signal.SIGXCPU:
        return InputError("the file takes too much computing to decode; cut it, or save it smaller.")
    return InputError("the file breaks its decoder; save it again, as PNG or as H.264 in MP4.")
