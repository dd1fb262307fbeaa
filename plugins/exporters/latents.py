"""The latents of a video, as they were rendered: to decode, mix or go on from elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path

from farm.errors import FarmError

from .archive import archive
from .base import ExportInfo, Frame, checked


class LatentsExporter:
    """``latents-000.safetensors`` and so on, each section's ``latents`` [channels, frames, height, width], and
    ``video.json``, which says what they belong to."""

    name = "latents"
    extension = ".zip"
    media_type = "application/zip"
    reads_latents = True
    title = "Latents of all sections (safetensors), in a zip"

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Copy the files."""
        if not info.latents:
            raise FarmError("the video's latents are not at hand.")
        for _ in checked(frames, info):
            pass
        facts = {
            "title": info.title,
            "width": info.width,
            "height": info.height,
            "sections": [vars(section) for section in info.sections],
            "metadata": dict(info.metadata),
        }
        with archive(path) as target:
            target.add("video.json", json.dumps(facts, indent=2, ensure_ascii=False).encode())
            for index, file in enumerate(info.latents):
                target.add(f"latents-{index:03d}.safetensors", file)
