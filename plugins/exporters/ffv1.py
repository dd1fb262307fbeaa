"""FFV1 in Matroska: every pixel as it was made, for archives."""

from collections.abc import Iterator
from pathlib import Path

from .base import ExportInfo, Frame, written_aside
from .encoding import Coding, missing_encoder, write_video

CODING = Coding("ffv1", "bgr0", {"level": "3", "slicecrc": "1", "slices": "4"}, even=False, sound="flac")
"""Version 3, each slice with its own checksum."""


class Ffv1Exporter:
    """RGB of eight bits without any loss; sound as FLAC."""

    name = "ffv1"
    extension = ".mkv"
    media_type = "video/x-matroska"
    title = "FFV1 in Matroska: lossless, for archives"
    carries_sound = True
    unavailable = missing_encoder("ffv1")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame."""
        with written_aside(path) as aside:
            write_video(frames, aside, info, CODING, "matroska")
