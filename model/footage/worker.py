"""The child of ``model.footage.apart``: decodes the files of one request and ends.

Its arguments are the bytes of memory and the seconds that it may take.
On standard input: a pickled (command, arguments). On standard output: messages as ``apart`` describes them; the last
one is an error if there was one.
"""

import json
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from PIL import Image

from farm.errors import InputError
from farm.processes import die_with_parent, limit_resources

from .apart import HEADER, MAX_JSON

FILE_BYTES = 16_000_000
"""A table of colours is the only file that is ever written."""
CPU_SHARE = 4
"""Processor seconds per second of the time limit: decoders use several cores."""


def main() -> None:
    die_with_parent()
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    limit_resources(memory, int(CPU_SHARE * seconds) + 1, FILE_BYTES)
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        command, request = pickle.load(sys.stdin.buffer)
        try:
            _COMMANDS[command](answer, **request)
        except InputError as error:
            _say(answer, {"error": str(error)})
        except MemoryError:
            most = f"{memory / 2**30:.3g} GB"
            _say(answer, {"error": f"the file takes more than {most} of memory to decode; make it smaller."})
        except BrokenPipeError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises on a file is the file's fault
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            _say(answer, {"error": f"the file can't be decoded ({reason}); save it again and retry."})


def _footage(answer: IO[bytes], *, media: Any, buckets: Any, **options: Any) -> None:
    from .opening import open_footage

    footage = open_footage(media, buckets, **options)
    _say(answer, {"facts": {name: asdict(facts) for name, facts in footage.facts.items()}})
    _show(answer, footage.start)
    _say(answer, {"anchors": {name: len(pictures) for name, pictures in footage.anchors.items()}})
    for pictures in footage.anchors.values():
        for picture in pictures:
            _show(answer, picture)


def _picture(answer: IO[bytes], *, data: bytes, what: str, side: int | None) -> None:
    from .pictures import facts_of_picture, open_image

    image = open_image(data, what)
    _say(answer, asdict(facts_of_picture(image)))
    if side is not None and max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    _show(answer, image)


def _frames(answer: IO[bytes], *, data: bytes, fps: int, bucket: Any, fit: Any) -> None:
    from .buckets import crop_to_bucket
    from .opening import facts_of_video
    from .video import read_video

    _say(answer, asdict(facts_of_video(data, fps)))
    for picture in read_video(data, fps):
        _show(answer, crop_to_bucket(picture, bucket, fit) if bucket else picture)


def _sound(answer: IO[bytes], *, data: bytes, track: bool) -> None:
    from .sound import read_sound

    for piece in read_sound(data, track=track):
        for start in range(0, len(piece), MAX_JSON):
            part = piece[start : start + MAX_JSON]
            answer.write(HEADER.pack(b"S", len(part), 0) + part)
    _say(answer, {"end": True})


def _texts(answer: IO[bytes], *, path: str) -> None:
    from .texts import read_texts

    _say(answer, read_texts(Path(path)))


def _say(answer: IO[bytes], message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    answer.write(HEADER.pack(b"J", len(body), 0) + body)
    answer.flush()


def _show(answer: IO[bytes], picture: Image.Image) -> None:
    answer.write(HEADER.pack(b"P", *picture.size))
    answer.write(picture.tobytes())
    answer.flush()


_COMMANDS: dict[str, Callable[..., None]] = {
    "footage": _footage,
    "picture": _picture,
    "frames": _frames,
    "sound": _sound,
    "texts": _texts,
}

if __name__ == "__main__":
    main()
