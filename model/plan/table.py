"""A plan as a table for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .plan import Plan

DEVICES = (1, 2, 4, 8)
"""Device counts whose bound is shown."""


def plan_table(plan: Plan) -> RenderableType:
    """The plan's facts, its levels, and the upper bound of the speed-up on 1, 2, 4 and 8 devices."""
    return Group(_facts(plan), Text(), _levels(plan), Text(), _bounds(plan))


def _facts(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    length = f"{plan.seconds:.2f} s, {plan.output_frames} frames at {plan.fps} fps"
    trimmed = plan.frames - plan.output_frames
    if trimmed:
        length += f" ({trimmed} of {plan.frames} trimmed)"
    for name, value in (
        ("order", plan.order),
        ("layout", str(plan.layout)),
        ("asked for", f"{plan.requested_seconds:g} s"),
        ("true length", length),
        ("sections", f"{len(plan.sections)} of {plan.layout.window} latent frames"),
        ("depth", f"{plan.depth} sections"),
        ("width", f"{plan.width} sections"),
    ):
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _levels(plan: Plan) -> Table:
    table = Table("level", "width", "sections", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    members: list[list[int]] = [[] for _ in range(plan.depth)]
    for section in plan.sections:
        members[section.level].append(section.index)
    for level, indices in enumerate(members):
        table.add_row(str(level), str(len(indices)), Text(" ".join(map(str, indices))))
    return table


def _bounds(plan: Plan) -> Table:
    table = Table("devices", "sections of time", "speed-up bound", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for devices in DEVICES:
        table.add_row(str(devices), str(plan.makespan(devices)), f"{plan.speedup(devices):.2f}x")
    table.add_row("unlimited", str(plan.depth), f"{plan.speedup():.2f}x")
    return table
