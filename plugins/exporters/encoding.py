"""What exporters of video share: frames into a container, one at a time, with one sound track if there is one."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from .base import ExportInfo, Frame, checked
from .sound import SoundTrack

THREADS = 4
"""Encoder threads: a constant, because the output of some encoders depends on their number and must not depend on the
machine."""
SCALER_THREADS = 1
"""Of the conversion of one frame's colours, which is too little work to share."""
BT709 = 1
"""Code of BT.709 for primaries, transfer and matrix in the tables of every codec."""
BITEXACT = {"fflags": "+bitexact"}
"""Of every container: no date, and no number drawn at random."""


VECTOR = 64
"""Pixels of a row that FFmpeg may convert at a time, at most."""
CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Coding:
    """How pictures are compressed.

    ``encoder``, ``options``: of FFmpeg. ``pix_fmt``: of the file; RGB ones keep every value, others are BT.709 of
    limited range. ``even``: odd sizes get their last column or row doubled. ``tag``: four letters of the codec, where
    the container's own are not what players expect. ``sound``: encoder of the sound; empty where there can be none.
    """

    encoder: str
    pix_fmt: str
    options: Mapping[str, str] = field(default_factory=dict)
    even: bool = True
    tag: str = ""
    sound: str = ""

    @property
    def is_rgb(self) -> bool:
        return self.pix_fmt in ("bgr0", "bgra", "gbrp")


def x264(options: Mapping[str, str]) -> Coding:
    """H.264 that every player takes, with sound as AAC.

    On processors with AVX-512, x264 works as on those with AVX2: its macroblock tree for AVX-512 reads memory that
    nobody wrote, where a picture is not a multiple of 128 pixels wide, so that now and then a file differed by some
    bits from the one before.
    """
    facts = CPU_FACTS.read_text() if CPU_FACTS.is_file() else ""
    params = {"x264-params": "asm=avx2"} if "avx512" in facts else {}
    return Coding("libx264", "yuv420p", {**options, **params}, sound="aac")


def missing_encoder(name: str) -> str:
    """Why an encoder can't be used here; empty when it can."""
    try:
        av.codec.Codec(name, "w")
    except UnknownCodecError:
        return f"the FFmpeg in this installation of PyAV has no encoder {name}; install a build that has it."
    return ""


def disabled(encoders: Mapping[str, str]) -> dict[str, Any]:
    """What a choice of encoders says of those that are missing here, for ``json_schema_extra`` of its field."""
    return {"disabled": {choice: why for choice, name in encoders.items() if (why := missing_encoder(name))}}


def write_video(
    frames: Iterator[Frame],
    path: Path,
    info: ExportInfo,
    coding: Coding,
    container_format: str,
    options: Mapping[str, str] | None = None,
) -> None:
    """Encode ``frames`` into ``path``; memory does not grow with length.

    Args:
        frames, info: as an exporter gets them.
        path: written directly: give one aside.
        coding: of the pictures.
        container_format: of FFmpeg, such as ``mp4``; ``options`` are its own.
    """
    with ExitStack() as stack:
        container = stack.enter_context(
            av.open(str(path), "w", format=container_format, options={**BITEXACT, **(options or {})})
        )
        for key, value in {"title": info.title, **info.metadata}.items():
            if value:
                container.metadata[key] = value
        stream: Any = container.add_stream(coding.encoder, rate=Fraction(info.fps), options=dict(coding.options))
        _shape(stream, coding, info)
        track, scaler = None, VideoReformatter()
        if info.sound is not None and coding.sound:
            track = stack.enter_context(SoundTrack(container, coding.sound, info.sound, info.seconds))
        for index, pixels in enumerate(checked(frames, info)):
            if track is not None:
                track.write_to(index / info.fps)
            picture = _picture(pixels, coding, scaler)
            picture.pts, picture.time_base = index, Fraction(1, info.fps)
            container.mux(stream.encode(picture))
        if track is not None:
            track.write_to(info.seconds)
        container.mux(stream.encode(None))


def _shape(stream: Any, coding: Coding, info: ExportInfo) -> None:
    stream.width = info.width + (info.width % 2 if coding.even else 0)
    stream.height = info.height + (info.height % 2 if coding.even else 0)
    stream.pix_fmt = coding.pix_fmt
    codec = stream.codec_context
    codec.thread_count = THREADS
    if coding.tag:
        codec.codec_tag = coding.tag
    if not coding.is_rgb:
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.color_range = ColorRange.MPEG


def _picture(pixels: Frame, coding: Coding, scaler: VideoReformatter) -> av.VideoFrame:
    """A frame as the encoder takes it.

    FFmpeg converts the last columns of a row together with what lies behind them, where the row is no whole number of
    its vectors; so rows are converted with a whole number, and then cut.
    """
    height, width = pixels.shape[:2]
    if coding.even:
        height, width = height + height % 2, width + width % 2
    padded = ((0, height - pixels.shape[0]), (0, -pixels.shape[1] % VECTOR), (0, 0))
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.pad(pixels, padded, mode="edge")), format="rgb24")
    if coding.is_rgb:
        picture = scaler.reformat(picture, format=coding.pix_fmt, threads=SCALER_THREADS)
    else:
        picture = scaler.reformat(
            picture,
            format=coding.pix_fmt,
            threads=SCALER_THREADS,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
    return _cut(picture, width) if width < picture.width else picture


def _cut(picture: av.VideoFrame, width: int) -> av.VideoFrame:
    """The left columns of a picture; where its rows are filled up in memory, what was beside them."""
    cut = av.VideoFrame(width, picture.height, picture.format.name)
    cut.colorspace, cut.color_range = picture.colorspace, picture.color_range
    for source, target in zip(picture.planes, cut.planes, strict=True):
        rows = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)
        np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)[:] = rows[:, : target.line_size]
    return cut
