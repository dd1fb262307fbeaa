"""DNxHR in QuickTime, for editing programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from farm.errors import FarmError

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import Coding, missing_encoder, write_video

PIX_FMTS = {"lb": "yuv422p", "sq": "yuv422p", "hq": "yuv422p", "hqx": "yuv422p10le", "444": "yuv444p10le"}
LEAST = (256, 120)
"""Width and height below which there is no DNxHR."""


class DnxhrOptions(Options):
    """Of DNxHR."""

    profile: Literal["lb", "sq", "hq", "hqx", "444"] = Field(
        "hq", description="From the smallest to the best; hqx and 444 have ten bits."
    )


class DnxhrExporter:
    """BT.709; sound uncompressed. Videos smaller than 256x120 pixels have no DNxHR."""

    name = "mov-dnxhr"
    extension = ".mov"
    media_type = "video/quicktime"
    title = "DNxHR in QuickTime, for editing programs; from 256x120 pixels"
    carries_sound = True
    options = DnxhrOptions
    unavailable = missing_encoder("dnxhd")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame."""
        if info.width < LEAST[0] or info.height < LEAST[1]:
            raise FarmError(
                f"DNxHR takes videos from {LEAST[0]}x{LEAST[1]} pixels, this one has {info.width}x{info.height}; "
                "choose mov-prores or ffv1."
            )
        profile = chosen(DnxhrOptions, info).profile
        coding = Coding("dnxhd", PIX_FMTS[profile], {"profile": f"dnxhr_{profile}"}, sound="pcm_s16le")
        with written_aside(path) as aside:
            write_video(frames, aside, info, coding, "mov")
