"""Verdicts on sections as rows keep them, and how they are told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from model.quality.gate import LIMITS

from .names import take_of

GATE = "gate"
"""The fact's name."""


@dataclass(frozen=True)
class Judged:
    """A verdict on one ``take`` of a section: ``score``, less is better; the kinds that are ``wrong``; their
    ``values``."""

    take: int
    score: float
    wrong: tuple[str, ...]
    values: Mapping[str, float]

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        return cls(told["take"], told["score"], tuple(told["wrong"]), told["values"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def frees(task: str, facts: Mapping[str, Any]) -> bool:
    """Whether the facts of its attempt say already that what needs the task can begin once it is done: of a
    section that is outside its limits, and of its takes, only the rows can."""
    return GATE not in facts or not (take_of(task) or Judged.of_json(facts[GATE]).wrong)


def outside(section: int, judged: Judged) -> str:
    """What is wrong with a section, with each value beside its limit."""
    return f"section {section} is outside its limits: {'; '.join(_fault(kind, judged) for kind in judged.wrong)}"


def _fault(kind: str, judged: Judged) -> str:
    fault = LIMITS.get(kind)
    if fault is None:  # of another version
        return kind
    limit = f"{'from' if fault.below else 'to'} {fault.limit:g}"
    return f"{fault.words} ({kind} {judged.values[kind]:.3g}, right is {limit})"


def settled_text(section: int, chosen: int, judged: Mapping[int, Judged]) -> str:
    """Which of its takes a section is, and why."""
    scores = ", ".join(f"take {take}: {one.score:.2f}" for take, one in sorted(judged.items()))
    still = judged[chosen].wrong
    rest = f"; still outside: {', '.join(still)}" if still else ", inside its limits"
    return f"section {section} is take {chosen}, the best of {len(judged)} ({scores}){rest}"
