"""What is wrong with a video, piece by piece, beside how it begins; calibrated by ``farm bench quality``. No torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .pieces import Measures, likeness, seam

ENDS = 0.15
"""Share of a video at its beginning and end that its drift compares, as in arXiv 2504.12626."""
MOVING = 0.5
"""Share of still frames below which the other pieces, half of them at least, count as moving."""
LEAST_NOISE = 0.004
"""What noise is compared with where there is hardly any."""

Pieces = Sequence[Measures]


@dataclass(frozen=True)
class Kind:
    """A kind of fault. ``words``: what is wrong, for people; ``limit``: the largest value that is right, or the
    smallest where values ``below`` it are wrong; ``values``: of each piece of a video; ``best``: value of a piece in
    which nothing of that kind is wrong."""

    words: str
    limit: float
    values: Callable[[Pieces], list[float]]
    below: bool = False
    best: float = 0.0

    def is_wrong(self, value: float) -> bool:
        return value < self.limit if self.below else value > self.limit

    def used(self, value: float) -> float:
        """How much a value takes up of what the limit leaves: 0 at best, more than 1 is wrong."""
        return max(0.0, (value - self.best) / (self.limit - self.best))


@dataclass(frozen=True)
class Finding:
    """A piece that is outside a limit. ``kind``: which; ``value``: beyond it."""

    piece: int
    kind: str
    value: float


def values_of(pieces: Pieces) -> dict[str, list[float]]:
    """By kind, the value of each piece."""
    return {name: kind.values(pieces) for name, kind in KINDS.items()}


def findings(values: dict[str, list[float]]) -> list[Finding]:
    """What of ``values_of`` is outside its limit, in the order of the pieces."""
    found = [
        Finding(piece, name, value)
        for name, each in values.items()
        for piece, value in enumerate(each)
        if KINDS[name].is_wrong(value)
    ]
    return sorted(found, key=lambda finding: finding.piece)


def drift(pieces: Pieces, kind: str) -> float:
    """Difference of a measure between the first and the last ``ENDS`` of the pieces, at least one each.

    ``kind``: ``tint`` (the largest channel), ``sharpness``, ``contrast``, ``motion`` (as ratios, less 1), or ``look``.
    """
    first, last = _ends(pieces)
    if kind == "tint":
        channels = [(_mean(last, _channel(index)), _mean(first, _channel(index))) for index in range(3)]
        return max(abs(now - begun) for now, begun in channels)
    if kind == "look":
        return 1 - _mean(last, lambda piece: likeness(piece, first[0]))
    take: dict[str, Callable[[Measures], float]] = {
        "sharpness": lambda piece: piece.sharpness,
        "contrast": lambda piece: sum(piece.contrast) / 3,
        "motion": lambda piece: piece.motion,
    }
    begun = _mean(first, take[kind])
    return _mean(last, take[kind]) / begun - 1 if begun else 0.0


def identity_drift(pieces: Pieces) -> float | None:
    """The same difference of their ``identity``, below 0 where it is lost; None unless each of those pieces has one."""
    ends = _ends(pieces)
    first, last = ([piece.identity for piece in end if piece.identity is not None] for end in ends)
    if not len(first) == len(last) == len(ends[0]):
        return None
    return (sum(last) - sum(first)) / len(first)


def _ends(pieces: Pieces) -> tuple[Pieces, Pieces]:
    count = max(1, math.floor(ENDS * len(pieces)))
    return pieces[:count], pieces[-count:]


def _channel(index: int) -> Callable[[Measures], float]:
    return lambda piece: piece.mean[index]


def _mean(pieces: Pieces, take: Callable[[Measures], float]) -> float:
    return sum(map(take, pieces)) / len(pieces)


def _beside_first(kind: str) -> Callable[[Pieces], list[float]]:
    """Of each piece, beside the first."""
    return lambda pieces: [BESIDE[kind](piece, pieces[0]) for piece in pieces]


def _tint(now: Measures, begun: Measures) -> float:
    return max(abs(a - b) for a, b in zip(now.mean, begun.mean, strict=True))


def _sharpness(now: Measures, begun: Measures) -> float:
    return now.sharpness / begun.sharpness if begun.sharpness else 1.0


def _noise(now: Measures, begun: Measures) -> float:
    return now.noise / max(begun.noise, LEAST_NOISE)


def _stillness(pieces: Pieces) -> list[float]:
    moving = sum(piece.still < MOVING for piece in pieces)
    half = (len(pieces) - 1) // 2
    return [piece.still if moving - (piece.still < MOVING) > half else 0.0 for piece in pieces]


def _seams(pieces: Pieces) -> list[float]:
    return [0.0, *(seam(before, after) for before, after in pairwise(pieces))][: len(pieces)]


BESIDE: dict[str, Callable[[Measures, Measures], float]] = {
    "tint": _tint,
    "look": likeness,
    "blur": _sharpness,
    "noise": _noise,
}
"""The kinds whose value compares a piece with another one."""

KINDS = {
    "tint": Kind("its colours have shifted", 0.03, _beside_first("tint")),
    "look": Kind("it shows other colours than the beginning", 0.85, _beside_first("look"), below=True, best=1.0),
    "blur": Kind("it is less sharp than the beginning", 0.8, _beside_first("blur"), below=True, best=1.0),
    "noise": Kind("it is noisier than the beginning", 1.5, _beside_first("noise"), best=1.0),
    "freeze": Kind("nothing moves where there was motion", 0.9, _stillness),
    "flicker": Kind("its brightness flickers", 0.005, lambda pieces: [piece.flicker for piece in pieces]),
    "seam": Kind("it jumps where it begins", 2.2, _seams),
}
