"""ProRes in QuickTime, for editing programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import Coding, missing_encoder, write_video


class ProResOptions(Options):
    """Of ProRes."""

    profile: Literal["proxy", "lt", "standard", "hq", "4444"] = Field(
        "hq", description="From the smallest to the best; 4444 keeps every pixel's colour, the others every second's."
    )


class ProResExporter:
    """Ten bits, BT.709; sound uncompressed."""

    name = "mov-prores"
    extension = ".mov"
    media_type = "video/quicktime"
    title = "ProRes in QuickTime, for editing programs"
    carries_sound = True
    options = ProResOptions
    unavailable = missing_encoder("prores_ks")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame."""
        profile = chosen(ProResOptions, info).profile
        pix_fmt = "yuv444p10le" if profile == "4444" else "yuv422p10le"
        options = {"profile": profile, "vendor": "apl0"}  # some programs open no other vendor's
        with written_aside(path) as aside:
            write_video(frames, aside, info, Coding("prores_ks", pix_fmt, options, sound="pcm_s16le"), "mov")
