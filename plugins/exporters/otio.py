"""An OpenTimelineIO timeline: the video cut into its sections, for editing programs.

The file is JSON of OpenTimelineIO's own schema (opentimelineio.readthedocs.io, "File Format Specification"); its few
records are written out here, so that the farm needs no library for them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from .base import ExportInfo, Frame, Options, checked, chosen, written_aside

Json = dict[str, Any]


class OtioOptions(Options):
    """Of the timeline."""

    media: str = Field(
        "", max_length=200, description="The video that clips refer to; default: the job's first file, beside this one."
    )


class OtioExporter:
    """One clip a section; markers where a prompt begins and where a picture was given."""

    name = "otio"
    extension = ".otio"
    media_type = "application/json"
    title = "OpenTimelineIO: one clip a section, markers for prompts and keyframes"
    options = OtioOptions

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write the timeline."""
        for _ in checked(frames, info):
            pass
        timeline = _timeline(info, chosen(OtioOptions, info).media or info.video_name or "video.mp4")
        with written_aside(path) as aside:
            aside.write_text(json.dumps(timeline, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _timeline(info: ExportInfo, media: str) -> Json:
    clips = [
        _item(
            "Clip.2",
            f"section {section.index}",
            source_range=_range(section.first_frame, section.frames, info),
            media_references={
                "DEFAULT_MEDIA": {
                    "OTIO_SCHEMA": "ExternalReference.1",
                    "name": media,
                    "metadata": {},
                    "available_range": _range(0, info.frames, info),
                    "target_url": media,
                }
            },
            active_media_reference_key="DEFAULT_MEDIA",
            metadata={"framepack-farm": {"section": section.index, "prompt": section.prompt}},
        )
        for section in info.sections
    ]
    markers = [_marker(prompt.text, prompt.start, "GREEN", "prompt", info) for prompt in info.prompts]
    markers += [_marker(moment.name, moment.second, "PINK", "keyframe", info) for moment in info.keyframes]
    track = _item("Track.1", "video", kind="Video", children=clips, source_range=None)
    stack = _item("Stack.1", "tracks", children=[track], source_range=None, markers=markers)
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "name": info.title or Path(media).stem,
        "metadata": {"framepack-farm": dict(info.metadata)},
        "global_start_time": None,
        "tracks": stack,
    }


def _item(schema: str, name: str, **more: Any) -> Json:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, "effects": [], "markers": [], "enabled": True, **more}


def _marker(text: str, second: float, color: str, kind: str, info: ExportInfo) -> Json:
    frame = min(round(second * info.fps), max(info.frames - 1, 0))
    return {
        "OTIO_SCHEMA": "Marker.2",
        "name": text,
        "metadata": {"framepack-farm": {"kind": kind}},
        "color": color,
        "marked_range": _range(frame, 1, info),
        "comment": text,
    }


def _range(start: int, frames: int, info: ExportInfo) -> Json:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": {"OTIO_SCHEMA": "RationalTime.1", "rate": float(info.fps), "value": float(start)},
        "duration": {"OTIO_SCHEMA": "RationalTime.1", "rate": float(info.fps), "value": float(frames)},
    }
