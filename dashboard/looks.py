"""Small shared pieces of the pages' look: states, times, styles."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Literal

import streamlit as st

from farm.units import when

State = Literal["blue", "green", "orange", "red", "gray", "violet"]

STATES: dict[str, tuple[State, str]] = {
    "pending": ("gray", ":material/hourglass_empty:"),
    "running": ("blue", ":material/autorenew:"),
    "paused": ("orange", ":material/pause:"),
    "completed": ("green", ":material/check:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("gray", ":material/block:"),
}

PAGE, PAGER = "page", 290
"""The pager's key and its width in pixels."""

STYLE = """
<style>
.block-container { padding-top: 2.6rem; max-width: 1180px; }
.block-container:has(.st-key-queue-filters, .st-key-history-filters) { padding-left: 2rem; padding-right: 2rem; }
.block-container:has(.st-key-queue-filters) { max-width: 1900px; }
.st-key-queue_table [data-testid="stElementToolbar"] { display: none; }  /* it covers the bar */
h1 { font-size: 1.9rem !important; }
.facts { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 0.9rem; }
.facts span { opacity: 0.65; margin-right: 6px; }
.big { font-size: 1.35rem; font-weight: 650; line-height: 1.25; }
.st-key-examples button { padding: 2px 10px; min-height: 0; border: 1px solid rgba(128, 128, 128, 0.4);
  border-radius: 14px; }
.st-key-examples button p { font-size: 0.82rem; }
.st-key-plan [data-testid="stMetricValue"] { font-size: 1.5rem; }
.st-key-plan [data-testid="stMetricLabel"] * { overflow: visible; white-space: nowrap; font-size: 0.74rem; }
.st-key-plan [data-testid="stHorizontalBlock"] { gap: 0.6rem; }
.quiet { opacity: 0.65; font-size: 0.85rem; }
.seat { font-size: 0.9rem; line-height: 1.45; overflow-wrap: anywhere; }
[class*="st-key-replica-"] { flex-wrap: nowrap !important; }
.seat a { color: inherit; }
.st-key-head-picture { max-width: 96px; }
.line { font-size: 0.875rem; opacity: 0.7; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.why { font-size: 0.84rem; line-height: 1.6; height: 5.2em; overflow-y: auto; opacity: 0.85; }
.why b { font-weight: 600; margin-right: 8px; }
.why .failed b { color: #f2665e; }
.takes { font-size: 0.9rem; line-height: 1.9; }
.takes span { opacity: 0.65; }
.lora { max-height: 96px; border-radius: 6px; display: block; }
.strip { height: 104px; overflow-x: auto; overflow-y: hidden; border-radius: 6px; }
.strip img { height: 96px; display: block; }
.events { font-size: 0.84rem; line-height: 1.7; font-variant-numeric: tabular-nums; height: 340px;
  overflow-y: auto; }
.result { display: block; color: inherit !important; text-decoration: none !important; }
.result video, .result img, .result .none { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  border-radius: 6px; background: rgba(128, 128, 128, 0.16); }
.result .none { align-content: center; text-align: center; font-size: 0.8rem; opacity: 0.65; }
.result b { display: block; margin-top: 8px; font-weight: 600; line-height: 1.3; height: 2.6em; overflow: hidden;
  overflow-wrap: anywhere; }
.state { font-weight: 600; }
.state.failed, .wrong { color: #e5534b; }
.wrong { font-size: 0.8rem; overflow-wrap: anywhere; }
.state.completed { color: #2f9e6b; }
@media (max-width: 640px) {
  .block-container:has(.st-key-queue-filters, .st-key-history-filters) { padding-left: 1rem; padding-right: 1rem; }
  .st-key-draft-fields > * > [data-testid="stHorizontalBlock"] { row-gap: 1rem; }
  .st-key-draft-fields > * > * > [data-testid="stColumn"],
  .st-key-draft-fields > * > * > * > [data-testid="stVerticalBlock"] { display: contents; }
  .st-key-draft-fields > * > * > * > * > :has(> .st-key-draft-after) { order: 1; }  /* after the other column */
  .st-key-cards [data-testid="stColumn"] { min-width: calc(50% - 1rem); flex: 1 1 calc(50% - 1rem); }
}
.events b { opacity: 0.6; font-weight: 400; margin-right: 10px; }
</style>
"""


def badge(state: str) -> None:
    """A job's state as a coloured badge."""
    color, icon = STATES.get(state, ("gray", ":material/help:"))
    st.badge(state, icon=icon, color=color)


def title_of(request: Mapping[str, Any], limit: int = 90) -> str:
    """The job's name, else its prompt, cut to one line."""
    text = " ".join((request["name"] or request["prompt"]).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is; colons are parted from what follows, or it becomes an icon."""
    marked = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~$:" else c for c in text)
    return marked.replace("\\:", "\\:\u2060")


def refusal(why: object) -> None:
    """Tell why something was not done; it stays until it is closed, since it asks for something."""
    st.toast(plain(str(why)), icon=":material/error:", duration="infinite")


def duration(seconds: float) -> str:
    """Such as ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


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


def forecast(outlook: Mapping[str, Any]) -> str:
    """When a job would be done that is not queued yet, such as ``queued now: place 2 of 2, done in about 3:20 (2:40 to
    5:10)``."""
    place = f"queued now: place {outlook['place']} of {outlook['jobs']}"
    if outlook["expected"] is None:
        return f"{place}, but no replica could take it"
    low, expected, high = (duration(outlook[name]) for name in ("low", "expected", "high"))
    return f"{place}, done in about {expected} ({low} to {high})"


def ago(text: str, now: datetime | None = None) -> str:
    """Such as ``3 min ago``."""
    moment = when(text)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds() if moment else 0
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "just now"


def facts(pairs: dict[str, str]) -> None:
    """A line of name and value."""
    cells = "".join(f"<div><span>{escape(k)}</span>{escape(v)}</div>" for k, v in pairs.items() if v)
    st.html(f'<div class="facts">{cells}</div>')


def pager(total: int, size: int) -> None:
    """The pages of a list, of ``size`` each; the one that is shown stands in the address."""
    st.pagination(max(1, -(-total // size)), key=PAGE, bind="query-params", width=PAGER)


def page_number() -> int:
    """Of the page that ``pager`` will show; it is drawn only once the number of pages is known."""
    given = str(st.session_state.get(PAGE) or st.query_params.get(PAGE, "1"))
    return max(1, int(given)) if given.isdecimal() and len(given) < 7 else 1


def stay_within(rows: Sequence[Any], total: int) -> None:
    """Draw the first page instead of one that there is not any more; to be called before ``pager``."""
    if total and not rows and page_number() > 1:
        first_page()
        st.rerun()


def go(name: str, **params: str) -> None:
    """Leave for another page, with these parameters in its address; also from a page that has bound some of its own,
    which Streamlit would not clear."""
    st.switch_page(st.session_state["pages"][name], query_params=params if params or st.query_params else None)


def first_page() -> None:
    """Called when something else is listed."""
    st.session_state[PAGE] = 1
