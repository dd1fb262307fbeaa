"""The queue as a table: one row per job, heights and widths fixed, so that nothing moves while numbers change."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import clock, looks
from dashboard.files import picture_url
from farm.units import when

Row = Mapping[str, Any]
ROW, HEADER = 44, 38
"""Heights in pixels."""
TITLE = 30
"""Characters of a name that fit into its column."""
SIGNS = {
    "pending": "○ pending",
    "running": "▶ running",
    "paused": "Ⅱ paused",
    "completed": "✓ completed",
    "failed": "✗ failed",
    "cancelled": "– cancelled",
}


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """What is shown of jobs, as ``GET /jobs/rows`` gives them."""
    return pd.DataFrame([_cells(row) for row in rows])


def _cells(row: Row) -> dict[str, Any]:
    counts, outlook, name = row["counts"], row["outlook"] or {}, row["name"] or row["prompt"]
    return {
        "state": SIGNS.get(row["state"], row["state"]),
        "picture": picture_url(row["id"], row["picture"]) if row["picture"] else None,
        "name": looks.title_of({**row, "name": f"Draft: {name}"} if row["draft"] else row, TITLE),
        "place": outlook.get("place") or None,
        "done": row["progress"] * 100,
        "made": f"{_of(counts, 'sections')} · {_of(counts, 'steps')}",
        "left": left(outlook),
        "about": ", ".join(row["hosts"]) or outlook.get("why", ""),
        "priority": row["priority"],
        "owner": row["owner"],
        "queued": clock.shown(when(row["created_at"])),
    }


def _of(counts: Mapping[str, int], what: str) -> str:
    return f"{counts.get(f'{what}_done', 0)}/{counts.get(f'{what}_total', 0)}"


def left(outlook: Mapping[str, Any]) -> str:
    """How long it should take until the job is done, such as ``3 min 05 s``; empty while nobody knows."""
    expected = outlook.get("expected")
    return "" if expected is None else looks.duration(expected)


def height(rows: int) -> int:
    """Pixels of the table with so many rows."""
    return HEADER + ROW * max(rows, 1) + 2


def columns(opened: Callable[[], None], key: str) -> dict[str, Any]:
    """How columns look; ``opened`` is called when somebody clicks a name, see ``key`` in the session's state."""
    of = st.column_config
    return {
        "state": of.TextColumn("Status", width=98),
        "picture": of.ImageColumn("", width=66),
        "name": of.ButtonColumn(
            "Name", width=200, alignment="left", type="tertiary", help="Opens the job", on_click=opened, key=key
        ),
        "place": of.NumberColumn("Place", width=54, help="In the queue; the first is next"),
        "done": of.ProgressColumn("Progress", width=104, format="%.0f%%", min_value=0, max_value=100),
        "made": of.TextColumn("Sections · steps", width=108),
        "left": of.TextColumn("Left", width=82, help="Until it is done, as expected"),
        "owner": of.TextColumn("Owner", width=74),
        "priority": of.NumberColumn("Priority", width=62, help="0 to 100; higher goes first"),
        "about": of.TextColumn("Where it runs, or why it waits", width=300),
        "queued": of.DatetimeColumn("Queued", width=110, format="D MMM, HH:mm", help=clock.told()),
    }
