"""WebM: VP9 or AV1, free of licences, for web pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import Coding, disabled, missing_encoder, write_video
from .mp4 import av1

ENCODERS = {"vp9": "libvpx-vp9", "av1": "libsvtav1"}
CPU_USED = {"slow": "1", "medium": "2", "fast": "5"}


class WebmOptions(Options):
    """Of WebM."""

    codec: Literal["vp9", "av1"] = Field(
        "vp9", description="av1 is smaller at the same quality.", json_schema_extra=disabled(ENCODERS)
    )
    crf: int | None = Field(
        None, ge=0, le=63, description="Lower is better and larger; 30 is usual. Default: the job's mp4_crf."
    )
    speed: Literal["slow", "medium", "fast"] = Field("medium", description="Slow makes smaller files.")


class WebmExporter:
    """yuv420p, BT.709; sound as Opus."""

    name = "webm"
    extension = ".webm"
    media_type = "video/webm"
    title = "WebM: VP9 or AV1, for web pages"
    carries_sound = True
    options = WebmOptions
    unavailable = missing_encoder("libvpx-vp9")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame."""
        wanted = chosen(WebmOptions, info)
        crf = wanted.crf or 0
        coding = av1(crf, wanted.speed, "libopus")
        if wanted.codec == "vp9":
            more = {"b:v": "0", "deadline": "good", "cpu-used": CPU_USED[wanted.speed], "row-mt": "1"}
            coding = Coding("libvpx-vp9", "yuv420p", {"crf": str(crf), **more}, sound="libopus")
        with written_aside(path) as aside:
            write_video(frames, aside, info, coding, "webm")
