"""How orders compare, as an SVG picture: a panel for each score, a line for each order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from .orders import Mean

PANEL, GAP, LEFT, TOP = 200, 46, 92, 66
ROW = 22
TICK = 6
"""Pixels from a panel to the number under its axis."""
COLOURS = {"better": "#1a7f37", "worse": "#bc4c00", "alike": "#57606a"}
CLEAR = 2.0
"""Standard errors from which a difference is called one."""


@dataclass(frozen=True)
class Panel:
    """A score, of which less is better. ``more``: by order, how much more it is than that of the first order."""

    title: str
    more: Mapping[str, Mean]


def orders_svg(title: str, base: str, panels: Sequence[Panel]) -> str:
    """Differences to the order ``base``, puppet by puppet. A bar reaches two standard errors to either side; what lies
    so far from none is green where it is better and orange where it is worse."""
    names = list(panels[0].more)
    width = LEFT + len(panels) * (PANEL + GAP)
    height = TOP + ROW * len(names) + 44
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14">{escape(title)}</text>',
        *(
            f'<text x="{LEFT - 10}" y="{_y(row) + 4}" text-anchor="end">{escape(name)}</text>'
            for row, name in enumerate(names)
        ),
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, LEFT + index * (PANEL + GAP), len(names))
    legend = f"less than {base} is better; a bar is two standard errors to either side"
    parts += [f'<text x="{LEFT}" y="{height - 10}" fill="#57606a">{escape(legend)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, left: float, rows: int) -> list[str]:
    reach = max(abs(mean.value) + CLEAR * mean.error for mean in panel.more.values()) or 1.0
    middle, scale, bottom = left + PANEL / 2, PANEL / 2 / (1.1 * reach), TOP + ROW * rows
    parts = [
        f'<text x="{middle}" y="{TOP - 16}" text-anchor="middle" font-weight="bold">{escape(panel.title)}</text>',
        f'<rect x="{left}" y="{TOP - 6}" width="{PANEL}" height="{bottom - TOP + 6}" fill="#f6f8fa"/>',
        f'<line x1="{middle}" y1="{TOP - 6}" x2="{middle}" y2="{bottom}" stroke="#8c959f"/>',
    ]
    for value in (-reach, 0.0, reach):
        x, text = middle + value * scale, f"{value:+.2g}" if value else "0"
        parts.append(f'<text x="{x:.1f}" y="{bottom + TICK + 10}" text-anchor="middle" font-size="10">{text}</text>')
    for row, (name, mean) in enumerate(panel.more.items()):
        colour = COLOURS[verdict(mean)]
        low, high = (middle + (mean.value + sign * CLEAR * mean.error) * scale for sign in (-1, 1))
        tooltip = escape(f"{name}: {mean.value:+.4f} ± {mean.error:.4f}")
        parts.append(
            f'<g stroke="{colour}" fill="{colour}"><title>{tooltip}</title>'
            f'<line x1="{low:.1f}" y1="{_y(row)}" x2="{high:.1f}" y2="{_y(row)}" stroke-width="3"/>'
            f'<circle cx="{middle + mean.value * scale:.1f}" cy="{_y(row)}" r="5"/></g>'
        )
    return parts


def verdict(mean: Mean) -> str:
    """``better`` or ``worse`` for a difference of two standard errors, else ``alike``."""
    if abs(mean.value) <= CLEAR * mean.error:
        return "alike"
    return "better" if mean.value < 0 else "worse"


def _y(row: int) -> float:
    return TOP + ROW * (row + 0.5)
