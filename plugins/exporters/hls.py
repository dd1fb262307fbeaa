"""HLS: a playlist and its segments, to be put on a web server as they are."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from .archive import archive
from .base import ExportInfo, Frame, Options, chosen
from .encoding import missing_encoder, write_video, x264
from .mp4 import LEAST_CRF

PLAYLIST = "index.m3u8"


class HlsOptions(Options):
    """Of HLS."""

    crf: int | None = Field(None, ge=0, le=51, description="Lower is better and larger. Default: the job's mp4_crf.")
    segment_seconds: float = Field(4.0, ge=0.5, le=30, description="Length of a segment.")


class HlsExporter:
    """H.264 in fragmented MP4; a zip of ``index.m3u8``, ``init.mp4`` and ``segment-0000.m4s`` and so on."""

    name = "hls"
    extension = ".zip"
    media_type = "application/zip"
    title = "HLS: playlist and segments for a web server, in a zip"
    carries_sound = True
    options = HlsOptions
    unavailable = missing_encoder("libx264")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode into a temporary folder, then pack it."""
        wanted = chosen(HlsOptions, info)
        every = max(1, round(wanted.segment_seconds * info.fps))
        options = {
            "crf": str(max(wanted.crf or 0, LEAST_CRF)),
            "g": str(every),
            "keyint_min": str(every),
            "sc_threshold": "0",
        }
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            muxer = {
                "hls_time": f"{wanted.segment_seconds:g}",
                "hls_playlist_type": "vod",
                "hls_segment_type": "fmp4",
                "hls_fmp4_init_filename": "init.mp4",
                "hls_segment_filename": str(folder / "segment-%04d.m4s"),
                "hls_segment_options": "fflags=+bitexact",
            }
            write_video(frames, folder / PLAYLIST, info, x264(options), "hls", muxer)
            with archive(path) as target:
                for file in sorted(folder.iterdir(), key=lambda file: (file.name != PLAYLIST, file.name)):
                    target.add(file.name, file)
