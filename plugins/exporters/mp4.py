"""The default exporter: H.264 in MP4, playable by every browser."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from .base import ExportInfo, Frame, checked, written_aside

THREADS = 4
"""Encoder threads: a constant, because libx264's output depends on their number and must not depend on the machine."""

LEAST_CRF = 1
"""x264 takes 0 as lossless, in a profile that browsers don't play; 1 looks the same and plays."""

BT709 = 1
"""Code of BT.709 for primaries and transfer in H.264's tables."""


class Mp4Exporter:
    """H.264, yuv420p, BT.709, index at the front of the file (``+faststart``).

    The file is a pure function of frames and info: it holds no date, and neither machine nor thread count changes it.
    Frames of odd width or height get their last column or row doubled, which yuv420p demands.
    """

    name = "mp4"
    extension = ".mp4"
    media_type = "video/mp4"

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame; memory does not grow with length."""
        with written_aside(path) as aside:
            options = {"movflags": "+faststart", "fflags": "+bitexact"}
            with av.open(str(aside), "w", format="mp4", options=options) as container:
                for key, value in {"title": info.title, **info.metadata}.items():
                    if value:
                        container.metadata[key] = value
                quality = {"crf": str(max(info.crf, LEAST_CRF))}
                stream = container.add_stream("libx264", rate=Fraction(info.fps), options=quality)
                stream.width = info.width + info.width % 2
                stream.height = info.height + info.height % 2
                stream.pix_fmt = "yuv420p"
                codec = stream.codec_context
                codec.thread_count = THREADS
                codec.colorspace = codec.color_primaries = codec.color_trc = BT709
                codec.color_range = ColorRange.MPEG
                for index, pixels in enumerate(checked(frames, info)):
                    picture = av.VideoFrame.from_ndarray(_even(pixels), format="rgb24").reformat(
                        format="yuv420p",
                        dst_colorspace=Colorspace.ITU709,
                        src_color_range=ColorRange.JPEG,
                        dst_color_range=ColorRange.MPEG,
                    )
                    picture.pts = index
                    picture.time_base = Fraction(1, info.fps)
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))


def _even(pixels: Frame) -> Frame:
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(pixels)
