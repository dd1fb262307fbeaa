"""Why a task can wait, as words that programs can tell apart, and as a line for a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    NO_SEAT = "no_seat"
    """There is no replica, or none is free."""
    WRONG_KIND = "wrong_kind"
    """No replica takes tasks of the kind."""
    NO_MODEL = "no_model"
    """No node has the weights, or only others of that name."""
    NO_LORA = "no_lora"
    NO_PLUGIN = "no_plugin"
    NO_MEMORY = "no_memory"
    NO_FEATURE = "no_feature"
    DEVICE_CLASS = "device_class"
    """The video began on another device class."""
    STARTING = "starting"
    RESTING = "resting"
    DRAINING = "draining"
    FAILED_BEFORE = "failed_before"
    LIMIT = "limit"
    OVER_SHARE = "over_share"
    BEHIND = "behind"
    PAUSED = "paused"
    WAITS_FOR = "waits_for"
    NEXT = "next"


MISSING = frozenset(
    {
        Code.NO_SEAT,
        Code.WRONG_KIND,
        Code.NO_MODEL,
        Code.NO_LORA,
        Code.NO_PLUGIN,
        Code.NO_MEMORY,
        Code.NO_FEATURE,
        Code.DEVICE_CLASS,
        Code.DRAINING,
    }
)
"""What another machine could be the answer to."""


@dataclass(frozen=True, slots=True)
class Reason:
    """``text``: one line for a person; ``details``: the same as numbers and names."""

    code: Code
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
