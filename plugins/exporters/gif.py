"""GIF with a palette made for the video: two passes, so that 256 colours are the right ones."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from pydantic import Field

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import BITEXACT, missing_encoder, write_video
from .ffv1 import CODING as LOSSLESS
from .frame_rate import slower

MOST_FPS = 50
"""Two hundredths of a second: browsers show what changes faster at ten frames a second."""


class GifOptions(Options):
    """Of GIF."""

    fps: int | None = Field(None, ge=1, le=MOST_FPS, description="Frames a second; default: the video's, 50 at most.")
    width: int | None = Field(None, ge=16, le=4096, description="Pixels; the height follows. Default: the video's.")
    colors: int = Field(256, ge=4, le=256, description="In the palette.")
    dither: Literal["sierra2_4a", "floyd_steinberg", "bayer", "none"] = Field(
        "sierra2_4a", description="How colours between are shown; bayer is the smallest file, none has bands."
    )
    loop: int = Field(0, ge=0, le=65535, description="How often it plays; 0: for ever.")


class GifExporter:
    """Pictures without sound. The frames lie losslessly in a temporary file between the passes."""

    name = "gif"
    extension = ".gif"
    media_type = "image/gif"
    title = "GIF with a palette made for the video"
    options = GifOptions
    unavailable = missing_encoder("gif")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Find the palette, then draw with it."""
        wanted = chosen(GifOptions, info)
        frames, info = slower(frames, info, wanted.fps, MOST_FPS)
        with written_aside(path) as aside, tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / "frames.mkv"
            write_video(frames, kept, replace(info, sound=None), LOSSLESS, "matroska")
            palette = _palette(kept, wanted)
            _draw(kept, palette, aside, info, wanted)


def _read(kept: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(kept)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            rate = container.streams.video[0].average_rate or Fraction(1)
            frame.pts, frame.time_base = index, 1 / rate
            yield frame


def _scaled(graph: Any, first: av.VideoFrame, wanted: GifOptions) -> tuple[Any, Any]:
    """Where frames go in, and the last filter before the palette's."""
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=first.time_base or Fraction(1)
    )
    width = min(wanted.width or first.width, first.width)
    scale = graph.add("scale", f"w={width}:h=-1:flags=lanczos")
    source.link_to(scale)
    return source, scale


def _palette(kept: Path, wanted: GifOptions) -> av.VideoFrame:
    graph = av.filter.Graph()
    frames = _read(kept)
    first = next(frames)
    source, scaled = _scaled(graph, first, wanted)
    palette = graph.add("palettegen", f"max_colors={wanted.colors}:reserve_transparent=0:stats_mode=full")
    sink = graph.add("buffersink")
    scaled.link_to(palette)
    palette.link_to(sink)
    graph.configure()
    source.push(first)
    for frame in frames:
        source.push(frame)
    source.push(None)
    made = sink.pull()
    assert isinstance(made, av.VideoFrame)
    return made


def _draw(kept: Path, palette: av.VideoFrame, path: Path, info: ExportInfo, wanted: GifOptions) -> None:
    graph = av.filter.Graph()
    frames = _read(kept)
    first = next(frames)
    source, scaled = _scaled(graph, first, wanted)
    colours = graph.add_buffer(
        width=palette.width, height=palette.height, format=palette.format, time_base=Fraction(1, info.fps)
    )
    drawn = graph.add("paletteuse", f"dither={wanted.dither}:diff_mode=rectangle")
    sink = graph.add("buffersink")
    scaled.link_to(drawn, 0, 0)
    colours.link_to(drawn, 0, 1)
    drawn.link_to(sink)
    graph.configure()
    palette.pts = 0
    colours.push(palette)
    colours.push(None)
    with av.open(str(path), "w", format="gif", options={**BITEXACT, "loop": _loop(wanted.loop)}) as container:
        stream: Any = container.add_stream("gif", rate=Fraction(info.fps))
        stream.pix_fmt, stream.codec_context.time_base = "pal8", Fraction(1, info.fps)
        opened = False
        for frame in _with_end(first, frames):
            source.push(frame)
            for picture in _pulled(sink):
                if not opened:
                    stream.width, stream.height, opened = picture.width, picture.height, True
                container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _loop(times: int) -> str:
    """As FFmpeg counts: how often it plays again, 0 for ever, -1 for once."""
    return "0" if times == 0 else str(times - 1 or -1)


def _with_end(first: av.VideoFrame, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame | None]:
    yield first
    yield from rest
    yield None


def _pulled(sink: Any) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield sink.pull()
        except (BlockingIOError, EOFError):
            return
