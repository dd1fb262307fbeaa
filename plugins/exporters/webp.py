"""Animated WebP: a moving picture for web pages and chats, far smaller than a GIF."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from .base import ExportInfo, Frame, Options, chosen, written_aside
from .encoding import Coding, missing_encoder, write_video
from .frame_rate import slower


class WebpOptions(Options):
    """Of animated WebP."""

    quality: int = Field(80, ge=0, le=100, description="Higher is better and larger.")
    lossless: bool = Field(False, description="Keep every pixel; then quality says how hard it tries to be small.")
    loop: int = Field(0, ge=0, le=65535, description="How often it plays; 0: for ever.")
    fps: int | None = Field(None, ge=1, le=60, description="Frames a second; default: the video's, 60 at most.")


class WebpExporter:
    """Pictures without sound."""

    name = "webp"
    extension = ".webp"
    media_type = "image/webp"
    title = "Animated WebP, for web pages and chats"
    options = WebpOptions
    unavailable = missing_encoder("libwebp_anim")

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Encode frame by frame; the compressed file is in memory until it ends."""
        wanted = chosen(WebpOptions, info)
        frames, info = slower(frames, info, wanted.fps, 60)
        options = {"quality": str(wanted.quality), "lossless": str(int(wanted.lossless)), "loop": str(wanted.loop)}
        coding = Coding("libwebp_anim", "bgra" if wanted.lossless else "yuv420p", options, even=not wanted.lossless)
        with written_aside(path) as aside:
            write_video(frames, aside, info, coding, "webp", {"loop": str(wanted.loop)})
