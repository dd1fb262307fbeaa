"""What a look at a machine found, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from farm.errors import FarmError


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


def tried(name: str, look: Callable[[], Check]) -> Check:
    """What ``look`` finds. A check that breaks is a failed one, and stops no other."""
    try:
        return look()
    except FarmError as error:
        return Check(name, State.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the machine is the finding
        return Check(name, State.FAILED, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
