"""Plans: which sections a video has, in which order they can be made, and what each one sees. No torch."""

from .anchors import Anchor, Given
from .layout import Layout
from .make import make_plan
from .orders import find_order, order_names
from .picture import plan_svg
from .plan import Plan, Section
from .rules import Rules

__all__ = [
    "Anchor",
    "Given",
    "Layout",
    "Plan",
    "Rules",
    "Section",
    "find_order",
    "make_plan",
    "order_names",
    "plan_svg",
]
