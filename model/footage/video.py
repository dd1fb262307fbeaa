"""Given videos at the door: from untrusted bytes to upright sRGB pictures at a constant frame rate."""

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from farm.errors import InputError

from .colour import to_rgb
from .hdr import ToneMap, is_hdr
from .limits import (
    MAX_DECODED_PIXELS,
    MAX_VIDEO_FRAMES,
    MAX_VIDEO_PIXELS,
    MAX_VIDEO_SECONDS,
    MIN_SIDE,
    SCALER_THREADS,
    megapixels,
)
from .upright import display_of

CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "gif", "apng", "ogg", "flv", "mxf")
"""FFmpeg's names of the containers that are read: none of them leads to other files or to the network."""
CODECS = (
    "h264", "hevc", "libdav1d", "av1", "libvpx", "vp8", "libvpx-vp9", "vp9", "mpeg4", "mpeg2video", "mpeg1video",
    "mjpeg", "prores", "dnxhd", "ffv1", "gif", "apng", "png", "theora", "flv", "h263", "qtrle", "rawvideo", "huffyuv",
    "utvideo",
)  # fmt: skip
"""FFmpeg's names of the decoders that are used."""
EXPECTED = "expected a whole MP4, MOV, MKV, WebM, AVI or GIF file"
THREADS = 4
ROUNDING = 0.002
"""Seconds by which a container may round its times; Matroska knows milliseconds only."""
LOST_SECONDS = 0.5
"""A file that ends that much earlier than it says is cut short."""
UNSPECIFIED = 2
"""Code of colours that a file does not name, ITU-T H.273."""
HD_LINES = 720
"""Videos from this height on mean BT.709 when they don't say which colours they mean; below BT.601."""


@dataclass(frozen=True)
class VideoFacts:
    """Of a video that was read from beginning to end; ``frames`` at the rate that it was read at.

    ``sound``: whether it has any.
    """

    width: int
    height: int
    frames: int
    sound: bool = False


@dataclass(frozen=True)
class _Moment:
    """A frame as stored: shown from second ``start`` to ``stop``; ``picture`` makes it upright RGB."""

    start: float
    stop: float
    size: tuple[int, int]
    picture: Callable[[], Image.Image]


def read_video(data: bytes, fps: int, skip: int = 0) -> Iterator[Image.Image]:
    """Decode a video file, ``fps`` pictures a second: each instant shows the frame that a player would show then.

    HDR comes as BT.709. The first ``skip`` pictures are left out, which costs less than making them.

    Yields:
        RGB images turned upright, with square pixels.

    Raises:
        InputError: no video, damaged or cut short, longer than two minutes, or pictures of an unusable size.
    """
    made: Image.Image | None = None
    before: _Moment | None = None
    for index, moment in enumerate(_shown(data, fps)):
        if index < skip:
            continue
        if moment is not before or made is None:
            made = moment.picture()
        before = moment
        yield made


def check_video(data: bytes, fps: int) -> VideoFacts:
    """Read a video to its end, so that no later task meets a damaged one; raises what ``read_video`` does."""
    count, size = 0, (0, 0)
    for moment in _shown(data, fps):
        count, size = count + 1, moment.size
    return VideoFacts(*size, count, _has_sound(data))


def seam_pictures(
    data: bytes, fps: int, count: int, *, last: bool, fit: Callable[[Image.Image], Image.Image] = lambda p: p
) -> tuple[Image.Image, ...]:
    """The ``last`` or first ``count`` pictures of a video in time order, each passed through ``fit`` at once.

    Raises:
        InputError: the video is shorter, or what ``read_video`` raises.
    """
    frames = check_video(data, fps).frames
    if frames < count:
        raise InputError(
            f"the video has {frames} frames at {fps} fps; its context needs {count}. "
            "Give a longer one, or lower num_cleaned_frames."
        )
    first = frames - count if last else 0
    found = []
    for picture in read_video(data, fps, skip=first):
        found.append(fit(picture))
        if len(found) == count:
            break
    return tuple(found)


def _shown(data: bytes, fps: int) -> Iterator[_Moment]:
    """The frame that is on screen at each of ``fps`` instants a second."""
    shown: _Moment | None = None
    emitted = 0
    for moment in _moments(data, fps):
        while shown is not None and emitted / fps < moment.start - ROUNDING:
            yield shown
            emitted += 1
        shown = moment
    if shown is None:
        raise InputError("the video holds no frame that can be decoded; save it again and retry.")
    while emitted / fps < shown.stop - ROUNDING:
        yield shown
        emitted += 1


def _moments(data: bytes, fps: int) -> Iterator[_Moment]:
    if data[8:12] == b"WEBP" or data[4:12] == b"ftypavis":
        yield from _animation(data)
        return
    try:
        with av.open(io.BytesIO(data), "r", options=_options()) as container:
            with tempfile.TemporaryDirectory(prefix="video-") as folder:
                yield from _frames(container, fps, ToneMap(Path(folder)))
    except FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"the video can't be read ({reason}); {EXPECTED}.") from None


def _options() -> dict[str, str]:
    """Of the container: nothing but the bytes at hand is opened, nothing but what is listed decodes them."""
    return {"format_whitelist": ",".join(CONTAINERS), "codec_whitelist": ",".join(CODECS), "protocol_whitelist": "none"}


def _frames(container: InputContainer, fps: int, tone_map: ToneMap) -> Iterator[_Moment]:
    if not container.streams.video:
        raise InputError("the file holds no video stream; expected an MP4, MOV, MKV or WebM file.")
    stream = container.streams.video[0]
    codec = stream.codec_context
    if codec.name not in CODECS:
        raise InputError(f"the video is coded as {codec.name!r}, which is not read here; save it as H.264 in MP4.")
    _check_size(codec.width, codec.height)
    codec.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    codec.thread_type, codec.thread_count = "AUTO", THREADS
    declared = float(container.duration or 0) / av.time_base
    _check_length(declared)
    rate = float(stream.average_rate or fps)
    begin = end = 0.0
    scaler = VideoReformatter()
    for index, frame in enumerate(container.decode(stream)):
        time = index / rate if frame.time is None else float(frame.time)
        begin = time if index == 0 else begin
        end = time - begin + 1 / rate
        _check_length(end)
        _check_amount(index + 1, frame.width * frame.height)
        display = display_of(frame, stream.sample_aspect_ratio)
        size = display.size(frame.width, frame.height)
        _check_size(*size)
        yield _Moment(time - begin, end, size, lambda f=frame, d=display: d.show(_rgb(f, scaler, tone_map)))  # type: ignore[misc]
    if 0 < end < declared - LOST_SECONDS:
        raise InputError(f"the video is cut short: {end:.1f} of {declared:.1f} s can be read; copy it again.")


def _rgb(frame: av.VideoFrame, scaler: VideoReformatter, tone_map: ToneMap) -> Image.Image:
    if is_hdr(frame):
        return Image.fromarray(tone_map(frame))
    options: dict[str, Any] = {}
    if int(frame.colorspace) == UNSPECIFIED and frame.height >= HD_LINES:
        options["src_colorspace"] = Colorspace.ITU709
    pixels = scaler.reformat(frame, format="rgb24", threads=SCALER_THREADS, **options).to_ndarray()
    return Image.fromarray(pixels.astype(np.uint8, copy=False))


def _animation(data: bytes) -> Iterator[_Moment]:
    """Of an animated WebP or AVIF, which Pillow reads and FFmpeg does not."""
    try:
        image = Image.open(io.BytesIO(data), formats=("WEBP", "AVIF"))
        count = getattr(image, "n_frames", 1)
        _check_size(*image.size)
        if count < 2:
            raise InputError(f"the file is a still picture, not a video; {EXPECTED}.")
        begin = 0.0
        for index in range(count):
            image.seek(index)
            image.load()
            _check_amount(index + 1, image.width * image.height)
            end = begin + max(float(image.info.get("duration", 0)), 10.0) / 1000
            _check_length(end)
            picture = to_rgb(image.copy())
            yield _Moment(begin, end, image.size, lambda p=picture: p)  # type: ignore[misc]
            begin = end
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise InputError(f"the video can't be read ({error}); {EXPECTED}.") from None


def _has_sound(data: bytes) -> bool:
    try:
        with av.open(io.BytesIO(data), "r", options=_options()) as container:
            return bool(container.streams.audio)
    except FFmpegError:
        return False


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE or width * height > MAX_VIDEO_PIXELS:
        most = megapixels(MAX_VIDEO_PIXELS)
        raise InputError(f"the video is {width}x{height} pixels; expected sides of {MIN_SIDE} or more, at most {most}.")


def _check_length(seconds: float) -> None:
    if seconds > MAX_VIDEO_SECONDS:
        raise InputError(
            f"the video is longer than {MAX_VIDEO_SECONDS} s; cut it, only the seconds next to its seam are looked at."
        )


def _check_amount(frames: int, pixels: int) -> None:
    if frames > MAX_VIDEO_FRAMES or frames * pixels > MAX_DECODED_PIXELS:
        raise InputError(
            f"the video has too many frames of {megapixels(pixels)} to be read: two minutes of Full HD at 60 frames a "
            "second are the most. Cut it, or save it smaller."
        )
