"""Given videos at the door: from untrusted bytes to upright pictures at a constant frame rate."""

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import av
from av.container import InputContainer
from av.error import FFmpegError
from PIL import Image

from farm.errors import InputError

from .pictures import LIMIT, MAX_PIXELS, MIN_SIDE

MAX_VIDEO_SECONDS = 120
ROUNDING = 0.002
"""Seconds by which a container may round its times; Matroska knows milliseconds only."""
LOST_SECONDS = 0.5
"""A file that ends that much earlier than it says is cut short."""


@dataclass(frozen=True)
class VideoFacts:
    """Of a video that was read from beginning to end; ``frames`` at the rate that it was read at."""

    width: int
    height: int
    frames: int


def read_video(data: bytes, fps: int) -> Iterator[Image.Image]:
    """Decode a video file, ``fps`` pictures a second: each instant shows the frame that a player would show then.

    Yields:
        RGB images turned upright, all of one size.

    Raises:
        InputError: no video, damaged or cut short, longer than two minutes, or pictures of an unusable size.
    """
    try:
        with av.open(io.BytesIO(data), "r") as container:
            yield from _at_rate(container, fps)
    except FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"the video can't be read ({reason}); expected a whole MP4, MOV, MKV or WebM file.") from None


def check_video(data: bytes, fps: int) -> VideoFacts:
    """Read a video to its end, so that no later task meets a damaged one; raises what ``read_video`` does."""
    count, size = 0, (0, 0)
    for picture in read_video(data, fps):
        count, size = count + 1, picture.size
    return VideoFacts(*size, count)


def seam_pictures(data: bytes, fps: int, count: int, *, last: bool) -> tuple[Image.Image, ...]:
    """The ``last`` or first ``count`` pictures of a video in time order.

    Raises:
        InputError: the video is shorter, or what ``read_video`` raises.
    """
    pictures = read_video(data, fps)
    found = tuple(deque(pictures, maxlen=count) if last else islice(pictures, count))
    if len(found) < count:
        raise InputError(
            f"the video has {len(found)} frames at {fps} fps; its context needs {count}. "
            "Give a longer one, or lower num_cleaned_frames."
        )
    return found


def _at_rate(container: InputContainer, fps: int) -> Iterator[Image.Image]:
    if not container.streams.video:
        raise InputError("the file holds no video stream; expected an MP4, MOV, MKV or WebM file.")
    stream = container.streams.video[0]
    width, height = stream.codec_context.width, stream.codec_context.height
    if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"the video is {width}x{height} pixels; expected sides of {MIN_SIDE} or more, at most {LIMIT}."
        )
    declared = float(container.duration or 0) / av.time_base
    _check_length(declared)
    rate = float(stream.average_rate or fps)
    shown: Image.Image | None = None
    begin = end = 0.0
    emitted = 0
    for index, frame in enumerate(container.decode(stream)):
        time = index / rate if frame.time is None else float(frame.time)
        begin = time if index == 0 else begin
        while shown is not None and emitted / fps < time - begin - ROUNDING:
            yield shown
            emitted += 1
        end = time - begin + 1 / rate
        _check_length(end)
        shown = frame.to_image().rotate(frame.rotation, expand=True)
    if shown is None:
        raise InputError("the video holds no frame that can be decoded; save it again and retry.")
    if end < declared - LOST_SECONDS:
        raise InputError(f"the video is cut short: {end:.1f} of {declared:.1f} s can be read; copy it again.")
    while emitted / fps < end - ROUNDING:
        yield shown
        emitted += 1


def _check_length(seconds: float) -> None:
    if seconds > MAX_VIDEO_SECONDS:
        raise InputError(
            f"the video is longer than {MAX_VIDEO_SECONDS} s; cut it, only the seconds next to its seam are looked at."
        )
