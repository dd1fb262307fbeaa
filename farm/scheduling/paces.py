"""How fast each seat is beside others of its class: two CPUs may make the same bits, one in a quarter of the time."""

import math
from collections.abc import Collection
from dataclasses import dataclass

NEWEST_SHARE = 0.3
"""Of the newest section in a seat's pace."""
ENOUGH = 2
"""A seat is compared with others from so many sections on."""
STEP = 0.5
"""Octaves (41 %) that a seat must be off what is believed of it before that changes: its neighbours stay alike, and
what a busy minute does to one section is nobody's pace."""
REMEMBERED_SEATS = 20_000


@dataclass(frozen=True, slots=True)
class Pace:
    """``speed``: units a second on its sections as measured, ``expected``: of its class; ``beside``: how many times as
    fast as the middle one of its class it is."""

    speed: float
    expected: float
    beside: float = 1.0
    count: int = 1


def believed(beside: float, before: float = 1.0) -> float:
    """A newly found pace, or the one ``before`` where the two hardly differ."""
    return float(f"{beside:.2g}") if abs(math.log2(beside / before)) >= STEP else before


class Paces:
    """Of all seats, also while their processes are replaced."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}

    def of(self, seat: str) -> Pace | None:
        """None before its first section."""
        return self._paces.get(seat)

    def beside(self, seat: str, seed: float = 1.0) -> float:
        """See ``Pace``; ``seed`` while nothing is known."""
        known = self._paces.get(seat)
        return known.beside if known else seed

    def observe(self, seat: str, speed: float, expected: float, seats: Collection[str], seed: float = 1.0) -> None:
        """It rendered a section at ``speed`` units a second; ``seats``: all of its class, this one too; ``seed``: its
        pace as it was taken for before any section."""
        known = self._paces.get(seat)
        if known is not None:
            speed = known.speed + NEWEST_SHARE * (speed - known.speed)
        if known is None and len(self._paces) >= REMEMBERED_SEATS:
            del self._paces[next(iter(self._paces))]
        count, beside = (known.count + 1, known.beside) if known else (1, seed)
        self._paces[seat] = Pace(speed, expected, beside, count)
        others = sorted(
            pace.speed for name in seats if (pace := self._paces.get(name)) and pace.count >= ENOUGH and pace.speed > 0
        )
        if count >= ENOUGH and others and speed > 0:
            beside = believed(speed / others[(len(others) - 1) // 2], beside)
        self._paces[seat] = Pace(speed, expected, beside, count)
