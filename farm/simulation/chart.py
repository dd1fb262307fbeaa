"""A Gantt chart of a run as an SVG picture: a row for each seat, a colour for each job, model loads in black."""

from collections.abc import Iterable
from zlib import crc32

from farm.scheduling.view import SeatView

from .farm import Span

WIDTH, LEFT, TOP = 1200, 150, 40
ROW_HEIGHT = 6
MOST_ROWS = 400
TICKS = 10
SHADES = {"failed": "#d00000", "lost": "#909090"}


def gantt_svg(title: str, spans: Iterable[Span], seats: Iterable[SeatView]) -> str:
    """Seats by speed, the fastest on top; of more than 400, the first ones. Failed spans are red, lost ones grey."""
    rows = sorted(seats, key=lambda seat: (-seat.speed, seat.device_class, seat.id))[:MOST_ROWS]
    places = {seat.id: TOP + index * ROW_HEIGHT for index, seat in enumerate(rows)}
    drawn = [span for span in spans if span.seat_id in places]
    end = max((span.end for span in drawn), default=1.0)
    height = TOP + len(rows) * ROW_HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{_text(title)}</text>',
        *_labels(rows, places),
        *(_bar(span, places[span.seat_id], WIDTH / end) for span in drawn),
        *_axis(end, height - 20),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _labels(rows: list[SeatView], places: dict[str, int]) -> list[str]:
    """The name of each class of devices at its first row."""
    labels, before = [], None
    for seat in rows:
        if (seat.device_class, seat.speed) != before:
            before = (seat.device_class, seat.speed)
            text = _text(f"{seat.device_class} ({seat.speed:g})")
            labels.append(f'<text x="{LEFT - 8}" y="{places[seat.id] + ROW_HEIGHT}" text-anchor="end">{text}</text>')
    return labels


def _bar(span: Span, y: int, scale: float) -> str:
    hue = crc32(span.job_id.encode()) % 360
    shade = SHADES.get(span.outcome, f"hsl({hue},60%,60%)")
    x, width, high = LEFT + span.start * scale, max(0.2, (span.end - span.start) * scale), ROW_HEIGHT - 1
    name = _text(f"{span.task_id} {span.start:.0f}-{span.end:.0f} s {span.outcome}")
    bar = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{high}" fill="{shade}"><title>{name}</title></rect>'
    if span.load:
        load = min(span.load, span.end - span.start) * scale
        bar += f'<rect x="{x:.1f}" y="{y}" width="{load:.1f}" height="{high}" fill="#202020"/>'
    return bar


def _axis(end: float, y: int) -> list[str]:
    marks = [(LEFT + WIDTH * n / TICKS, end * n / TICKS) for n in range(TICKS + 1)]
    return [f'<text x="{x:.0f}" y="{y + 14}" text-anchor="middle">{second:.0f} s</text>' for x, second in marks]


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
