"""What was measured of a piece of a video, such as a section, and how two pieces compare. No torch."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

COLOURS = 4
"""Steps of each channel in a histogram of colours."""
SIDE = 16
"""Pixels of a side of the small pictures by which pieces are compared."""


IDENTITY = "identity"
"""The measure that few sections have."""
PICTURES = ("first", "last")
"""Of the measures, those that serve to compare pieces and say nothing to people."""


@dataclass(frozen=True)
class Measures:
    """Of a piece; brightness and colours are from 0 to 1.

    Attributes:
        mean, contrast: mean and standard deviation of red, green and blue.
        sharpness: standard deviation of the Laplacian of the brightness; high at crisp edges.
        noise: standard deviation of what is left without areas and straight edges, estimated.
        motion: mean difference of two frames in a row.
        still: share of frames that are the same as the one before.
        flicker: mean second difference of the frames' brightness: it changes there and back.
        step: median difference of two frames in a row as small pictures, beside which a jump between pieces is seen.
        clipped: share of values that are black or white.
        colours: share of pixels of each colour, ``COLOURS`` steps a channel.
        first, last: the first and last frame as small pictures, ``SIDE`` x ``SIDE`` RGB bytes in base64.
        identity: cosine of its middle frame and the start image, from -1 to 1; see ``model.quality.identity``. None
            where it was not measured, which ``to_json`` leaves out.
    """

    mean: tuple[float, ...]
    contrast: tuple[float, ...]
    sharpness: float
    noise: float
    motion: float
    still: float
    flicker: float
    step: float
    clipped: float
    colours: tuple[float, ...]
    first: str
    last: str
    identity: float | None = None

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return values if self.identity is not None else {k: v for k, v in values.items() if k != IDENTITY}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Measures":
        """Raises KeyError or TypeError for what ``to_json`` never gave."""
        found: dict[str, Any] = {name: values[name] for name in cls.__dataclass_fields__ if name != IDENTITY}
        found[IDENTITY] = values.get(IDENTITY)
        return cls(**found | {name: tuple(found[name]) for name in ("mean", "contrast", "colours")})


def seam(before: Measures, after: Measures) -> float:
    """How far the small pictures differ where two pieces meet, in units of what frames differ inside them."""
    leaving, entering = base64.b64decode(before.last), base64.b64decode(after.first)
    apart = sum(abs(a - b) for a, b in zip(leaving, entering, strict=True)) / len(leaving) / 255
    return apart / max(before.step, after.step, 1 / 255)


def likeness(one: Measures, other: Measures) -> float:
    """How much of the pixels have the same colours, from 0 to 1, wherever they are."""
    return sum(min(a, b) for a, b in zip(one.colours, other.colours, strict=True))
