"""A plan's DAG as an SVG picture: time of the video to the right, render levels downwards."""

from html import escape

from .plan import Plan, Section

MAX_WIDTH = 1600
BOX_HEIGHT = 22
LABEL_STEP = 18
"""Narrower boxes show their number as a tooltip only."""
MARGIN = 40
HEADER = 46
_COLOURS = ("#1f6feb", "#1a7f37", "#9a6700", "#bc4c00", "#8250df", "#bf3989", "#0a7d91")


def plan_svg(plan: Plan) -> str:
    """Draw the plan. Every section is a box at its place in the video and its level, with lines to its predecessors."""
    step = max(14.0, min(56.0, (MAX_WIDTH - 2 * MARGIN) / len(plan.sections)))
    width = max(2 * MARGIN + step * len(plan.sections), 480)
    row = max(36.0, min(64.0, MAX_WIDTH / plan.depth))
    bottom = HEADER + row * (plan.depth - 1) + BOX_HEIGHT
    height = bottom + MARGIN
    title = (
        f"{plan.order}: {len(plan.sections)} sections, {plan.seconds:.2f} s, depth {plan.depth}, width {plan.width}, "
        f"{plan.speedup(8):.2f}x on 8 devices"
    )

    def centre(section: Section) -> float:
        return MARGIN + step * (section.index + 0.5)

    def top(section: Section) -> float:
        return HEADER + row * section.level

    lines, boxes, walls = [], [], []
    for anchor in plan.anchors:
        x = MARGIN + step * anchor.boundary
        walls.append(
            f"<g><title>{anchor.name} at {plan.second_of(anchor):.2f} s</title>"
            f'<line x1="{x:.1f}" y1="{HEADER - 10}" x2="{x:.1f}" y2="{bottom + 8:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{HEADER - 12}" r="5"/></g>'
        )
    for section in plan.sections:
        x, y = centre(section), top(section)
        for index in section.predecessors:
            parent = plan.sections[index]
            x1, y1 = centre(parent), top(parent) + BOX_HEIGHT
            bend = (y1 + y) / 2
            lines.append(f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {bend:.1f} {x:.1f} {bend:.1f} {x:.1f} {y:.1f}"/>')
        colour = _COLOURS[section.level % len(_COLOURS)]
        first, last = section.frames.start / plan.fps, section.frames.stop / plan.fps
        label = f'<text x="{x:.1f}" y="{y + 15:.1f}">{section.index}</text>' if step >= LABEL_STEP else ""
        boxes.append(
            f"<g><title>section {section.index}: {first:.2f} to {last:.2f} s, level {section.level}"
            f"{escape(_guides(plan, section))}</title>"
            f'<rect x="{x - step * 0.45:.1f}" y="{y:.1f}" width="{step * 0.9:.1f}" height="{BOX_HEIGHT}" rx="3" '
            f'fill="{colour}"/>{label}</g>'
        )
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="11">',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
            f'<text x="{MARGIN}" y="24" font-size="14" fill="#1f2328">{escape(title)}</text>',
            '<g fill="none" stroke="#8c959f" stroke-opacity="0.6">',
            *lines,
            "</g>",
            '<g fill="#ffffff" text-anchor="middle">',
            *boxes,
            "</g>",
            '<g stroke="#cf222e" fill="#cf222e" stroke-width="2">',
            *walls,
            "</g>",
            "</svg>\n",
        )
    )


def _guides(plan: Plan, section: Section) -> str:
    """What the section sees and follows, for its tooltip."""
    seen = plan.anchors_of(section)
    said = " + ".join(f"{weight:.0%} {prompt}" if section.blend else prompt for prompt, weight in section.prompts)
    return (f", sees {', '.join(seen)}" if seen else "") + (f": {said}" if len(plan.prompts) > 1 else "")
