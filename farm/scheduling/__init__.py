"""Who does what next: pure decisions, without Ray, SQL, torch or a clock."""

from .decisions import Decisions
from .planner import decide
from .view import FarmView

__all__ = ["Decisions", "FarmView", "decide"]
