"""Geometry of a video's frames: what a player does with a display matrix and with pixels that are not square."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from PIL import Image

Transpose = Image.Transpose

MOST_ANAMORPHIC = 16
"""Pixels more than this many times as wide as high, or as high as wide, are taken for a mistake of the file."""

_TURNS: dict[tuple[bool, bool, bool], Transpose | None] = {
    (False, False, False): None,
    (False, True, False): Transpose.FLIP_LEFT_RIGHT,
    (False, False, True): Transpose.FLIP_TOP_BOTTOM,
    (False, True, True): Transpose.ROTATE_180,
    (True, False, False): Transpose.TRANSPOSE,
    (True, True, False): Transpose.ROTATE_270,
    (True, False, True): Transpose.ROTATE_90,
    (True, True, True): Transpose.TRANSVERSE,
}
"""By (sides change places, then mirrored left to right, then top to bottom)."""


@dataclass(frozen=True)
class Display:
    """How decoded frames are shown: ``pixel`` is a pixel's width over its height, ``turn`` comes after that."""

    pixel: Fraction = Fraction(1)
    turn: Transpose | None = None

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a shown frame whose stored one is ``width`` x ``height``; no pixel row is lost."""
        if self.pixel > 1:
            width = round(width * self.pixel)
        elif self.pixel < 1:
            height = round(height / self.pixel)
        changed = self.turn in (
            Transpose.TRANSPOSE,
            Transpose.TRANSVERSE,
            Transpose.ROTATE_90,
            Transpose.ROTATE_270,
        )
        return (height, width) if changed else (width, height)

    def show(self, image: Image.Image) -> Image.Image:
        """A frame as a player shows it."""
        if self.pixel != 1:
            square = Display(self.pixel).size(*image.size)
            image = image.resize(square, Image.Resampling.BICUBIC)
        return image if self.turn is None else image.transpose(self.turn)


def display_of(frame: av.VideoFrame, pixel: Fraction | None) -> Display:
    """What the file says of how ``frame`` is shown; ``pixel``: the stream's sample aspect ratio, if it has one."""
    pixel = Fraction(pixel or 0)
    if not Fraction(1, MOST_ANAMORPHIC) <= pixel <= MOST_ANAMORPHIC:
        pixel = Fraction(1)
    sides: Iterable[Any] = frame.side_data
    matrix = next((np.frombuffer(bytes(side), "<i4") for side in sides if side.type is Type.DISPLAYMATRIX), None)
    return Display(pixel, None if matrix is None else turn_of([int(value) for value in matrix]))


def turn_of(matrix: Sequence[int]) -> Transpose | None:
    """The nearest of the eight ways to lay a picture, of a matrix of nine as in ISO/IEC 14496-12, 8.3.2.

    A point (x, y) is shown at (a x + c y, b x + d y), with a and b the first two values, c and d the fourth and fifth.
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _TURNS[False, a < 0, d < 0]
    return _TURNS[True, c < 0, b < 0]
