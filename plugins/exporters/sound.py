"""A sound track beside pictures: decoded, cut to the length of the video, and encoded as the pictures go on."""

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

RATE = 48_000
"""Samples a second, of every export."""


class SoundTrack:
    """The first audio stream of a file, written into ``container`` bit by bit; a context manager that closes the file.

    Args:
        container: open for writing; nothing may have been written yet.
        encoder: of FFmpeg, such as ``aac``.
        source: the file.
        seconds: where it ends at the latest.
    """

    def __init__(self, container: Any, encoder: str, source: Path, seconds: float) -> None:
        self._container = container
        self._stream = container.add_stream(encoder, rate=RATE, layout="stereo")
        self._file = av.open(str(source))
        self._samples = round(seconds * RATE)
        self._written = 0
        self._coming = self._decoded()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with closing(self._file):
            if kind is None:
                self._container.mux(self._stream.encode(None))

    def write_to(self, second: float) -> None:
        """Encode what is heard until then."""
        wanted = min(round(second * RATE), self._samples)
        while self._written < wanted and (frame := next(self._coming, None)) is not None:
            self._written += frame.samples
            self._container.mux(self._stream.encode(frame))

    def _decoded(self) -> Iterator[Any]:
        """Frames of the encoder's own form, the last one cut where the video ends."""
        form = self._stream.codec_context.format.name
        resampler = av.AudioResampler(format=form, layout="stereo", rate=RATE)
        at = 0
        for decoded in self._with_end():
            for frame in resampler.resample(decoded):
                left = self._samples - at
                if left <= 0:
                    return
                if frame.samples > left:
                    frame = _cut(frame, left)
                frame.pts, frame.time_base = at, Fraction(1, RATE)
                at += frame.samples
                yield frame

    def _with_end(self) -> Iterator[Any]:
        yield from self._file.decode(audio=0)
        yield None


def _cut(frame: Any, samples: int) -> Any:
    """The first ``samples`` of a frame."""
    values = frame.to_ndarray()
    channels = 1 if frame.format.is_planar else len(frame.layout.channels)
    cut = av.AudioFrame.from_ndarray(
        values[:, : samples * channels].copy(), format=frame.format.name, layout=frame.layout.name
    )
    cut.sample_rate = frame.sample_rate
    return cut
