"""Timelines of editing programs as storyboards, through OpenTimelineIO."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from farm.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".avif")
PROMPT = "prompt"
"""Where a clip's or marker's metadata may hold its prompt."""


def read_otio(path: Path) -> dict[str, Any]:
    """The clips of the first track of pictures as shots, each as long as it is there, and dissolves between them as
    fades.

    A clip's prompt is what its metadata hold under ``prompt``, at any depth, else its first marker's comment or name,
    else its own name; its picture is the file that it refers to, if that is one.

    Raises:
        InputError: OpenTimelineIO is not installed, the file is no timeline, or has no clip.
    """
    try:
        import opentimelineio as otio
    except ImportError:
        raise InputError(f"{path}: reading timelines takes OpenTimelineIO; pip install opentimelineio.") from None
    try:
        timeline = otio.adapters.read_from_file(str(path))
        tracks = timeline.video_tracks()
    except (otio.exceptions.OTIOError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is no timeline that OpenTimelineIO can read ({error}).") from None
    shots: list[dict[str, Any]] = []
    fade = 0.0
    for item in tracks[0] if tracks else ():
        if isinstance(item, otio.schema.Transition):
            fade = (item.in_offset + item.out_offset).to_seconds()
        elif isinstance(item, otio.schema.Clip):
            shots.append(_shot(item, fade if shots else 0.0))
            fade = 0.0
    if not shots:
        raise InputError(f"{path} has no clip on a track of pictures.")
    return {"name": timeline.name or path.stem, "shots": shots}


def _shot(clip: Any, fade: float) -> dict[str, Any]:
    marks = [mark for marker in clip.markers for mark in (getattr(marker, "comment", ""), marker.name) if mark]
    prompt = _prompt(dict(clip.metadata)) or next(iter(marks), "") or clip.name
    shot: dict[str, Any] = {"prompt": prompt, "seconds": round(clip.duration().to_seconds(), 3)}
    if clip.name:
        shot["name"] = clip.name
    target = unquote(urlparse(str(getattr(clip.media_reference, "target_url", "") or "")).path)
    if target.lower().endswith(PICTURES):
        shot["picture"] = target
    return shot | ({"transition": f"fade:{fade:g}"} if fade else {})


def _prompt(metadata: Any) -> str:
    """The first text called ``prompt`` in nested tables."""
    if not hasattr(metadata, "items"):
        return ""
    for key, value in metadata.items():
        found = value if key == PROMPT and isinstance(value, str) else _prompt(value)
        if found:
            return str(found)
    return ""
