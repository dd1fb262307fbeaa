"""A plan as a table for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .plan import Plan

DEVICES = (1, 2, 4, 8)
"""Device counts whose bound is shown."""


def plan_table(plan: Plan) -> RenderableType:
    """The plan's facts, what is given per section, its levels, and the upper bound of the speed-up on some devices."""
    parts: list[RenderableType] = [_facts(plan)]
    if plan.anchors or len(plan.prompts) > 1:
        parts += [Text(), _guides(plan)]
    return Group(*parts, Text(), _levels(plan), Text(), _bounds(plan))


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
        *((anchor.name, f"at {plan.second_of(anchor):.2f} s") for anchor in plan.anchors),
    ):
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _guides(plan: Plan) -> Table:
    """Per section the anchors that it sees and the prompts that it follows."""
    table = Table("section", "from", "to", "sees", "prompt", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for section in plan.sections:
        said = [f"{weight:.0%} {prompt}" if section.blend else prompt for prompt, weight in section.prompts]
        table.add_row(
            str(section.index),
            f"{section.frames.start / plan.fps:.2f}",
            f"{section.frames.stop / plan.fps:.2f}",
            Text(", ".join(plan.anchors_of(section))),
            Text(" + ".join(said)),
        )
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
