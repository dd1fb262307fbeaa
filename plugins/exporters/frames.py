"""Single pictures, numbered, in a zip: PNG, or EXR of 16 bits for compositing."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from .archive import archive
from .base import ExportInfo, Frame, Options, checked, chosen
from .encoding import missing_encoder


class PngOptions(Options):
    """Of numbered PNG files."""

    compression: int = Field(6, ge=0, le=9, description="0 is fast and large, 9 slow and small; no pixel changes.")


class PngExporter:
    """``frame-000000.png`` and so on, RGB of eight bits."""

    name = "png"
    extension = ".zip"
    media_type = "application/zip"
    title = "Frames as PNG files, in a zip"
    options = PngOptions

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write one after the other."""
        wanted = chosen(PngOptions, info)
        with archive(path) as target:
            for index, pixels in enumerate(checked(frames, info)):
                picture = io.BytesIO()
                Image.fromarray(pixels).save(picture, "PNG", compress_level=wanted.compression)
                target.add(f"frame-{index:06d}.png", picture.getvalue())


class ExrOptions(Options):
    """Of numbered EXR files."""

    transfer: Literal["linear", "srgb"] = Field(
        "linear", description="linear is light as compositing programs count it; srgb the values as they are shown."
    )
    compression: Literal["none", "rle", "zip1", "zip16"] = Field("zip16", description="All without loss.")


class ExrExporter:
    """``frame-000000.exr`` and so on, RGB as half floats from 0 to 1."""

    name = "exr"
    extension = ".zip"
    media_type = "application/zip"
    title = "Frames as EXR files of 16 bits, in a zip, for compositing"
    options = ExrOptions
    unavailable = missing_encoder("exr")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write one after the other."""
        wanted = chosen(ExrOptions, info)
        values = _values(wanted.transfer)
        with archive(path) as target:
            for index, pixels in enumerate(checked(frames, info)):
                target.add(f"frame-{index:06d}.exr", _exr(values[pixels], wanted.compression))


def _values(transfer: str) -> npt.NDArray[np.float32]:
    """What each of 256 values is as a float; ``linear`` by the curve of sRGB (IEC 61966-2-1)."""
    shown = np.arange(256) / 255
    if transfer == "linear":
        shown = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return shown.astype(np.float32)


def _exr(pixels: npt.NDArray[np.float32], compression: str) -> bytes:
    codec = av.CodecContext.create("exr", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.height, codec.width = pixels.shape[:2]
    codec.pix_fmt, codec.time_base = "gbrpf32le", Fraction(1)
    codec.options = {"format": "half", "compression": compression}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gbrpf32le")
    frame.pts, frame.time_base = 0, Fraction(1)
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
