"""Another frame rate for finished frames: the video keeps its length, whatever rate the model makes frames at."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice, repeat

import av
import numpy as np

from .base import ExportInfo, Frame

REPEAT, MOTION, BLEND = "repeat", "motion", "blend"
_MODES = {MOTION: "mci", BLEND: "blend"}


def frame_count(frames: int, fps: int, output_fps: int) -> int:
    """Frames of a video of ``frames`` at ``fps`` when it is shown at ``output_fps``; at least 1, half to even."""
    return max(1, round(Fraction(frames * output_fps, fps)))


def at_rate(frames: Iterator[Frame], count: int, fps: int, output_fps: int, method: str = REPEAT) -> Iterator[Frame]:
    """The same video at another rate: ``frame_count`` frames. Streams; a few frames are in memory.

    Args:
        frames: [height, width, 3] uint8, ``count`` of them, at ``fps``.
        count, fps: of ``frames``.
        output_fps: wanted.
        method: ``repeat`` shows at each moment the frame that is on screen then, so frames are dropped or doubled and
            none is changed; ``motion`` computes what lies between frames along their motion, ``blend`` mixes
            neighbours (``minterpolate`` of ffmpeg).
    """
    if fps == output_fps:
        return frames
    wanted = frame_count(count, fps, output_fps)
    if method in _MODES:
        return islice(_interpolated(frames, fps, output_fps, _MODES[method]), wanted)
    return _held(frames, fps, output_fps, wanted)


def slower(
    frames: Iterator[Frame], info: ExportInfo, wanted: int | None, most: int
) -> tuple[Iterator[Frame], ExportInfo]:
    """The same video at ``wanted`` frames a second, or at its own, ``most`` at most."""
    fps = min(wanted or info.fps, most)
    shown = at_rate(frames, info.frames, info.fps, fps)
    return shown, replace(info, fps=fps, frames=frame_count(info.frames, info.fps, fps))


def _held(frames: Iterator[Frame], fps: int, output_fps: int, wanted: int) -> Iterator[Frame]:
    index, frame = -1, None
    for output in range(wanted):
        source = output * fps // output_fps
        while index < source:
            index, frame = index + 1, next(frames, None)
            if frame is None:
                return
        assert frame is not None
        yield frame
    for _ in frames:  # so that whoever gives them sees them all taken
        pass


def _interpolated(frames: Iterator[Frame], fps: int, output_fps: int, mode: str) -> Iterator[Frame]:
    """Without end: the filter holds back the last frames, so copies of the last one are sent after it."""
    first = next(frames)
    height, width = first.shape[:2]
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=Fraction(1, fps))
    nodes = [
        source,
        graph.add("format", "yuv444p"),
        graph.add("minterpolate", f"fps={output_fps}:mi_mode={mode}"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    for index, pixels in enumerate(_for_ever(chain([first], frames))):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        picture.pts, picture.time_base = index, Fraction(1, fps)
        source.push(picture)
        while True:
            try:
                made = nodes[-1].pull()
            except (BlockingIOError, EOFError):
                break
            assert isinstance(made, av.VideoFrame)
            yield made.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _for_ever(frames: Iterator[Frame]) -> Iterator[Frame]:
    frame = next(frames)
    yield frame
    for frame in frames:
        yield frame
    yield from repeat(frame)
