"""The gate: whether a section is good enough to go on from, by what was there before it alone. No torch.

``judging`` compares every section with the first one, once the video is decoded. That can't decide what becomes of a
section while others wait for it: in most orders the first section, or the one before it, is rendered later. So the gate
looks at the section itself, at the pictures that were given, and at the sections that it was conditioned on where they
touch it. All of that is known whenever the section is, in every order, so that its verdict never depends on timing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .judging import BESIDE, KINDS, MOVING
from .pieces import Measures, seam

LIMITS = KINDS | {"blur": replace(KINDS["blur"], limit=0.6)}
"""Those of ``judging``, but for sharpness: here a section is compared with a picture that stands still, and nothing
that moves is as sharp."""
MOST_TAKES = 8
"""Retakes of a section at most."""


@dataclass(frozen=True)
class Around:
    """What a section is judged by. ``given``: pictures that the video starts from or leads to; ``before`` and
    ``after``: what touches it, of sections that it was conditioned on."""

    given: tuple[Measures, ...] = ()
    before: Measures | None = None
    after: Measures | None = None


@dataclass(frozen=True)
class Verdict:
    """On one take of a section. ``values``: by kind, those that could be told."""

    values: Mapping[str, float]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The kinds that are outside their limits."""
        return tuple(kind for kind, value in self.values.items() if LIMITS[kind].is_wrong(value))

    @property
    def score(self) -> float:
        """How much the worst value takes up of what its limit leaves: 0 is best, more than 1 is outside."""
        return round(max((LIMITS[kind].used(value) for kind, value in self.values.items()), default=0.0), 4)

    def to_json(self) -> dict[str, Any]:
        return {"score": self.score, "wrong": list(self.wrong), "values": dict(self.values)}


def judge(section: Measures, around: Around) -> Verdict:
    """Of a section's frames. Beside several given pictures it is judged by the one that it is most like, kind by
    kind."""
    values: dict[str, float] = {}
    for kind, compare in BESIDE.items():
        if around.given:
            values[kind] = min((compare(section, picture) for picture in around.given), key=LIMITS[kind].used)
    near = [piece for piece in (around.before, around.after) if piece is not None]
    values["freeze"] = section.still if any(_moves(piece) for piece in near) else 0.0
    values["flicker"] = section.flicker
    jumps = [seam(around.before, section)] if around.before else []
    jumps += [seam(section, around.after)] if around.after else []
    values["seam"] = max(jumps, default=0.0)
    return Verdict({kind: round(value, 5) for kind, value in values.items()})


def take_seed(seed: int, take: int) -> int:
    """Seed of a section's noise in another take: that of its plan for take 0, else the first 63 bits of sha256 over
    the ASCII text ``"<its seed>:take <number>"``."""
    if not take:
        return seed
    digest = hashlib.sha256(f"{seed}:take {take}".encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def best_take(scores: Mapping[int, float]) -> int:
    """The take of the lowest score; of equal ones the first."""
    return min(scores, key=lambda take: (scores[take], take))


def _moves(piece: Measures) -> bool:
    return piece.motion > 0 and piece.still < MOVING
