"""A look at what an exporter has written, before it counts: is it whole, of the kind and the length it should be?"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import av
import av.error
from PIL import Image, UnidentifiedImageError

from farm.errors import PluginError

from .base import ExportInfo

ZIP, JSON = "application/zip", "application/json"
SLACK = 0.5
"""Seconds by which a video may be shorter or longer than asked for; of long ones, ``SHARE`` of the length."""
SHARE = 0.02

Facts = dict[str, Any]


def look_at(exporter: str, path: Path, media_type: str, info: ExportInfo) -> Facts:
    """What the file is: ``bytes``, and for pictures and videos ``width``, ``height``, ``frames``, ``seconds``, codecs.

    Raises:
        PluginError: there is none, it can't be opened, or it is not what was asked for.
    """
    if not path.is_file():
        raise PluginError(f"exporter {exporter!r} wrote no file.")
    facts: Facts = {"bytes": path.stat().st_size}
    if not facts["bytes"]:
        raise PluginError(f"exporter {exporter!r} wrote an empty file.")
    try:
        if media_type.startswith("video/") or media_type == "image/gif":
            facts |= _video(path, info)
        elif media_type.startswith("image/"):
            facts |= _picture(path)
        elif media_type == ZIP:
            facts |= _zip(path)
        elif media_type == JSON:
            json.loads(path.read_bytes())
    except (
        av.error.FFmpegError,
        UnidentifiedImageError,
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
    ) as error:
        why = " ".join(str(error).split())
        raise PluginError(f"exporter {exporter!r} wrote a file that is no whole {media_type}: {why}.") from None
    return facts


def _video(path: Path, info: ExportInfo) -> Facts:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("it has no video stream")
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        if not packets:
            raise ValueError("it has no frames")
        ends = [
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in packets
            if packet.pts is not None
        ]
        sound = container.streams.audio[0].codec_context.name if container.streams.audio else None
        facts: Facts = {
            "codec": stream.codec_context.name,
            "width": stream.width,
            "height": stream.height,
            "frames": len(packets),
            "seconds": round(max(ends, default=0.0), 3),
            "sound": sound,
        }
    with av.open(str(path)) as container:
        if next(container.decode(video=0), None) is None:
            raise ValueError("none of its frames can be decoded")
    if abs(facts["seconds"] - info.seconds) > max(SLACK, SHARE * info.seconds):
        raise ValueError(f"it is {facts['seconds']:g} s long; expected {info.seconds:.3f} s")
    return facts


def _picture(path: Path) -> Facts:
    with Image.open(path) as picture:
        picture.load()
        return {"width": picture.width, "height": picture.height, "frames": getattr(picture, "n_frames", 1)}


def _zip(path: Path) -> Facts:
    with zipfile.ZipFile(path) as file:
        if broken := file.testzip():
            raise ValueError(f"{broken} in it is damaged")
        if not (names := file.namelist()):
            raise ValueError("there is nothing in it")
        return {"files": len(names)}
