"""A video's quality as people and programs read it: each section's values, the limits, and the drift. No torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .judging import KINDS, drift, identity_drift, values_of
from .pieces import IDENTITY, Measures

DRIFTS = ("tint", "look", "sharpness", "contrast", "motion")


@dataclass(frozen=True)
class SectionQuality:
    """``values``: by kind; ``wrong``: the kinds whose value is beyond its limit; ``motion``: mean difference of two
    frames in a row, of 1; ``clipped``: share of values that are black or white; ``identity``: cosine of the section and
    the start image, None where it was not measured."""

    section: int
    values: Mapping[str, float]
    wrong: tuple[str, ...]
    motion: float
    clipped: float
    identity: float | None


@dataclass(frozen=True)
class QualityReport:
    """``sections``: those that are measured, in viewer order; ``drift``: between the first and the last 15% of them,
    empty for fewer than two, without what can't be told; ``limits``: by kind, the largest value that is right, or the
    smallest of ``look`` and ``blur``."""

    sections: tuple[SectionQuality, ...]
    drift: Mapping[str, float]
    limits: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def report(measured: Mapping[int, Measures]) -> QualityReport:
    """Of the sections that are measured, by their numbers; each is compared with the first of them."""
    numbers = sorted(measured)
    pieces = [measured[number] for number in numbers]
    values = values_of(pieces)
    sections = tuple(
        SectionQuality(
            number,
            {name: round(each[place], 5) for name, each in values.items()},
            tuple(name for name, each in values.items() if KINDS[name].is_wrong(each[place])),
            pieces[place].motion,
            pieces[place].clipped,
            pieces[place].identity,
        )
        for place, number in enumerate(numbers)
    )
    drifts = {kind: round(drift(pieces, kind), 5) for kind in DRIFTS} if len(pieces) > 1 else {}
    if len(pieces) > 1 and (lost := identity_drift(pieces)) is not None:
        drifts[IDENTITY] = round(lost, 5)
    return QualityReport(sections, drifts, {name: kind.limit for name, kind in KINDS.items()})
