"""What a look at a machine found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """``finding``: what was found; ``remedy``: what to do when ``state`` is not ok."""

    name: str
    state: State
    finding: str
    remedy: str = ""
