"""Small shared pieces of the pages' look: states, times, styles."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Literal

import streamlit as st

State = Literal["blue", "green", "orange", "red", "gray", "violet"]

STATES: dict[str, tuple[State, str]] = {
    "pending": ("gray", ":material/hourglass_empty:"),
    "running": ("blue", ":material/autorenew:"),
    "paused": ("orange", ":material/pause:"),
    "completed": ("green", ":material/check:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("gray", ":material/block:"),
}

STYLE = """
<style>
.block-container { padding-top: 2.6rem; max-width: 1180px; }
h1 { font-size: 1.9rem !important; }
.facts { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 0.9rem; }
.facts span { opacity: 0.65; margin-right: 6px; }
.big { font-size: 1.35rem; font-weight: 650; line-height: 1.25; }
.st-key-examples button { padding: 2px 10px; min-height: 0; border: 1px solid #2a3140; border-radius: 14px; }
.st-key-examples button p { font-size: 0.82rem; }
.st-key-plan [data-testid="stMetricValue"] { font-size: 1.5rem; }
.st-key-plan [data-testid="stMetricLabel"] * { overflow: visible; white-space: nowrap; font-size: 0.74rem; }
.st-key-plan [data-testid="stHorizontalBlock"] { gap: 0.6rem; }
.quiet { opacity: 0.65; font-size: 0.85rem; }
.seat { font-size: 0.9rem; line-height: 1.45; overflow-wrap: anywhere; }
[class*="st-key-replica-"] { flex-wrap: nowrap !important; }
.seat a { color: inherit; }
.events { font-size: 0.84rem; line-height: 1.7; font-variant-numeric: tabular-nums; max-height: 340px;
  overflow-y: auto; }
.events b { opacity: 0.6; font-weight: 400; margin-right: 10px; }
</style>
"""


def badge(state: str) -> None:
    """A job's state as a coloured badge."""
    color, icon = STATES.get(state, ("gray", ":material/help:"))
    st.badge(state, icon=icon, color=color)


def title_of(request: dict[str, Any], limit: int = 90) -> str:
    """The job's name, else its prompt, cut to one line."""
    text = " ".join((request["name"] or request["prompt"]).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is; colons are parted from what follows, or it becomes an icon."""
    marked = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$:" else c for c in text)
    return marked.replace("\\:", "\\:\u2060")


def when(text: str | None) -> datetime | None:
    """A time of the API; times without zone are UTC."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def duration(seconds: float) -> str:
    """Such as ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def elapsed(start: str | None, end: str | None, now: datetime | None = None) -> str:
    """Time from start to end, or to now; empty when it has not begun."""
    begin = when(start)
    if begin is None:
        return ""
    return duration(((when(end) or now or datetime.now(UTC)) - begin).total_seconds())


def ahead(outlook: Mapping[str, Any] | None) -> str:
    """A job's place and when it should be done, such as ``place 2 of 5 · about 3:20 left (2:40 to 5:10)``."""
    if outlook is None or not outlook["place"]:
        return ""
    place = f"place {outlook['place']} of {outlook['jobs']}" if outlook["jobs"] > 1 else ""
    if outlook["expected"] is None:
        return place
    low, expected, high = (duration(outlook[name]) for name in ("low", "expected", "high"))
    left = f"about {expected} left" + (f" ({low} to {high})" if low != high else "")
    return " · ".join(part for part in (place, left) if part)


def ago(text: str, now: datetime | None = None) -> str:
    """Such as ``3 min ago``."""
    moment = when(text)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds() if moment else 0
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"


def size(count: int) -> str:
    """Such as ``1.4 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def facts(pairs: dict[str, str]) -> None:
    """A line of name and value."""
    cells = "".join(f"<div><span>{escape(k)}</span>{escape(v)}</div>" for k, v in pairs.items() if v)
    st.html(f'<div class="facts">{cells}</div>')
