"""A film's shots: videos of their own that are rendered side by side in one job and then stand one after the other.

Each has a request and a plan; sections, and the tasks and files that bear their numbers, are counted through.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from typing import Any

from .stored import StoredRequest


@dataclass(frozen=True)
class Shot:
    """``stored``: its request as the row has it; ``first``: the film's number of the first of its ``sections``;
    ``fade``: frames that it has in common with the shot before, passing over; ``plan_digest``, ``layout`` and ``fps``:
    of its plan."""

    name: str
    stored: StoredRequest
    sections: int
    first: int
    plan_digest: str
    layout: str
    fps: int
    fade: int = 0


def shots_to_json(shots: Iterable[Shot]) -> list[dict[str, Any]]:
    """As a column."""
    return [asdict(shot) for shot in shots]


def shots_from_json(column: Sequence[Mapping[str, Any]]) -> tuple[Shot, ...]:
    """The inverse."""
    return tuple(_shot(values) for values in column)


def _shot(values: Mapping[str, Any]) -> Shot:
    """What another version writes besides is left out."""
    known = {field.name: values[field.name] for field in fields(Shot) if field.name in values}
    stored = values["stored"]
    return Shot(**{**known, "stored": StoredRequest(stored["text"], stored["version"])})


def first_frames(lengths: Sequence[int], fades: Sequence[int]) -> list[int]:
    """Where shots of so many frames begin in their film, and where it ends."""
    return list(accumulate((length - fade for length, fade in zip(lengths, [*fades[1:], 0], strict=True)), initial=0))


def shot_of(shots: Sequence[Shot], section: int) -> int:
    """The place of the shot that a section of the film belongs to."""
    return bisect_right([shot.first for shot in shots], section) - 1
