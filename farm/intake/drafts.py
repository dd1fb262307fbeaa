"""Drafts: the same video at a fraction of the cost, to choose among many before one is rendered in full."""

import math

from farm.jobs.order import Full
from farm.jobs.request import RenderRequest
from model.family import FamilyInfo

STEPS = 0.4
"""Share of its steps that a draft is given."""
SIDE = 0.5
"""A draft's resolution is the family's smallest of at least this share of its own."""


def as_draft(request: RenderRequest, family: FamilyInfo) -> tuple[RenderRequest, Full]:
    """A request with fewer steps, a smaller resolution where the family has one, and its step cache; and what all of
    them were before. Composition, motion and seed stay, so that a draft shows what it is a draft of."""
    own = request.resolution or family.resolution
    smaller = [size for size in family.resolutions if SIDE * own <= size < own]
    lower = {
        "steps": math.ceil(request.steps * STEPS),
        "resolution": min(smaller, default=request.resolution),
        "cache": family.cache if request.cache == "none" else request.cache,
    }
    return request.model_copy(update=lower), Full.model_validate({name: getattr(request, name) for name in lower})


def draft_note(request: RenderRequest, full: Full) -> str:
    """What the owner of a draft should know."""
    own = "the model's own"
    changes = [
        f"{name} {getattr(request, name)} instead of {value or own}"
        for name, value in full
        if getattr(request, name) != value
    ]
    return f"a draft, with {', '.join(changes) or 'nothing lowered'}; promote it to render it in full."
