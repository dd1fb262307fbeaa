"""Videos that are stored otherwise than they are shown: display matrices, pixels that are not square, HDR."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

ONE = 1 << 16


def corner(width: int = 96, height: int = 64) -> np.ndarray:
    """A dark picture with red at the top left and green beside it: each way to lay it looks different."""
    picture = np.full((height, width, 3), 30, np.uint8)
    picture[: height // 2, : width // 3] = (220, 20, 20)
    picture[: height // 2, width // 3 : 2 * width // 3] = (20, 200, 20)
    return picture


def stored(picture: np.ndarray, frames: int = 3, sar: Fraction | None = None) -> bytes:
    """An MP4 of ``picture``; ``sar``: width of its pixels over their height."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "2"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv444p"
        if sar:
            stream.codec_context.sample_aspect_ratio = sar
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def laid(video: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """The same file with another display matrix in its track header (ISO/IEC 14496-12, 8.3.2)."""
    at = video.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    assert struct.unpack(">9i", video[at : at + 36])[0] == ONE, "no matrix of an MP4 of version 0 here"
    return video[:at] + matrix + video[at + 36 :]


def hdr(signal: float, transfer: int, width: int = 64, height: int = 64) -> bytes:
    """A 10-bit video of one grey of HDR, ``signal`` from 0 to 1; ``transfer``: 16 is PQ, 18 HLG."""
    luma = np.full((height, width), round(64 + 876 * signal), np.uint16)
    chroma = np.full((height // 2, width // 2), 512, np.uint16)
    frame = av.VideoFrame(width, height, "yuv420p10le")
    for plane, values in zip(frame.planes, (luma, chroma, chroma), strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = 9, 9, transfer, 1
        frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, transfer, 1
        for index in range(3):
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
