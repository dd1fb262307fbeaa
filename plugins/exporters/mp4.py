"""The default exporter: MP4 with H.264, playable by every browser, or with H.265 or AV1."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import Coding, disabled, missing_encoder, write_video, x264

LEAST_CRF = 1
"""x264 takes 0 as lossless, in a profile that browsers don't play; 1 looks the same and plays."""
ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1"}
PRESETS = {"slow": "4", "medium": "6", "fast": "10"}
"""Of SVT-AV1, by what x264 and x265 call theirs."""


class Mp4Options(Options):
    """Of MP4."""

    codec: Literal["h264", "h265", "av1"] = Field(
        "h264",
        description="h264 plays everywhere; h265 and av1 are smaller at the same quality.",
        json_schema_extra=disabled(ENCODERS),
    )
    crf: int | None = Field(None, ge=0, le=51, description="Lower is better and larger. Default: the job's mp4_crf.")
    speed: Literal["slow", "medium", "fast"] = Field("medium", description="Slow makes smaller files.")


class Mp4Exporter:
    """yuv420p, BT.709, index at the front of the file (``+faststart``).

    The file is a pure function of frames and info: it holds no date, and neither machine nor thread count changes it.
    Frames of odd width or height get their last column or row doubled, which yuv420p demands.
    """

    name = "mp4"
    extension = ".mp4"
    media_type = "video/mp4"
    title = "MP4: H.264, plays everywhere; H.265 or AV1"
    carries_sound = True
    options = Mp4Options
    unavailable = missing_encoder("libx264")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame; memory does not grow with length."""
        wanted = chosen(Mp4Options, info)
        with written_aside(path) as aside:
            write_video(frames, aside, info, _coding(wanted), "mp4", {"movflags": "+faststart"})


def _coding(wanted: Mp4Options) -> Coding:
    crf = wanted.crf or 0
    if wanted.codec == "h264":
        more = {} if wanted.speed == "medium" else {"preset": wanted.speed}
        return x264({"crf": str(max(crf, LEAST_CRF)), **more})
    if wanted.codec == "h265":
        quiet = "pools=none:frame-threads=1:log-level=error"  # more frame threads change the output
        return Coding(
            "libx265",
            "yuv420p",
            {"crf": str(crf), "preset": wanted.speed, "x265-params": quiet},
            tag="hvc1",
            sound="aac",
        )
    return av1(crf, wanted.speed, "aac")


def av1(crf: int, speed: str, sound: str) -> Coding:
    """AV1 of ten bits, which costs nothing and shows no bands."""
    options = {"crf": str(crf), "preset": PRESETS[speed], "svtav1-params": "lp=2"}
    return Coding("libsvtav1", "yuv420p10le", options, sound=sound)
