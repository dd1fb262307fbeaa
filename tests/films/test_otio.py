"""Timelines, as editing programs and the farm itself write them."""

from pathlib import Path

import pytest

from farm.errors import InputError
from farm.films.otio import read_otio

otio = pytest.importorskip("opentimelineio")


def clip(name: str, seconds: float, picture: str = "", prompt: str = "", comment: str = ""):
    time = otio.opentime
    made = otio.schema.Clip(
        name,
        otio.schema.ExternalReference(picture) if picture else otio.schema.MissingReference(),
        time.TimeRange(time.RationalTime(0, 30), time.RationalTime(seconds * 30, 30)),
        metadata={"tool": {"prompt": prompt}} if prompt else {},
    )
    if comment:
        made.markers.append(otio.schema.Marker(name="note", comment=comment))
    return made


def test_clips_become_shots_and_dissolves_fades(tmp_path: Path) -> None:
    timeline = otio.schema.Timeline("A day")
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    half = otio.opentime.RationalTime(6, 30)
    dissolve = otio.schema.Transition("", otio.schema.TransitionTypes.SMPTE_Dissolve, half, half)
    parts = [
        clip("dawn", 2.4, "file:///pictures/a%20b.png", prompt="It waves"),
        otio.schema.Gap(duration=half),
        clip("", 1.2, comment="It jumps"),
        dissolve,
        clip("It bows", 3, "clip.mov"),
    ]
    track.extend(parts)
    otio.adapters.write_to_file(timeline, str(tmp_path / "day.otio"))
    assert read_otio(tmp_path / "day.otio") == {
        "name": "A day",
        "shots": [
            {"name": "dawn", "prompt": "It waves", "seconds": 2.4, "picture": "/pictures/a b.png"},
            {"prompt": "It jumps", "seconds": 1.2},
            {"name": "It bows", "prompt": "It bows", "seconds": 3.0, "transition": "fade:0.4"},
        ],
    }


def test_timeline_without_pictures_is_refused(tmp_path: Path) -> None:
    otio.adapters.write_to_file(otio.schema.Timeline("empty"), str(tmp_path / "empty.otio"))
    with pytest.raises(InputError, match="no clip on a track"):
        read_otio(tmp_path / "empty.otio")
