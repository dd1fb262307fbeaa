"""How commands print: tables for people, one JSON document for programs."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from farm.units import seconds_between, when

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROW = 100
"""Columns of a terminal below which tables leave out what matters least."""
SHORT = 8
"""Letters of an id that are shown; commands take any beginning that only one job has."""

STATE_STYLES = {
    "completed": "green",
    "done": "green",
    "committed": "green",
    "running": "cyan",
    "paused": "yellow",
    "interrupted": "yellow",
    "failed": "red",
    "cancelled": "dim",
    "waiting": "dim",
    "busy": "cyan",
    "active": "green",
    "idle": "green",
    "draining": "yellow",
    "drained": "yellow",
    "resting": "yellow",
    "quarantined": "red",
    "closed": "dim",
    "gone": "dim",
}


def console() -> "Console":
    """Stdout; wide enough for whole lines when it is no terminal."""
    import sys

    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def print_id(job_id: str) -> None:
    """A job's id as the result of a command: on a terminal the letters that people need, for programs all of it."""
    import sys

    sys.stdout.write(f"{job_id[:SHORT] if sys.stdout.isatty() else job_id}\n")
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """One indented JSON document on stdout."""
    import sys

    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def table(*columns: str, title: str | None = None) -> "Table":
    """A plain table; a column named with a trailing ``>`` is right-aligned, and one with ``!`` is never broken over two
    lines, but cut where there is no room."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        whole, right = "!" in name, ">" in name
        made.add_column(
            name.rstrip(">!"),
            justify="right" if right else "left",
            overflow="ellipsis" if whole else "fold",
            no_wrap=whole,
        )
    return made


def plain(text: str) -> str:
    """A text as markup that shows it as it is."""
    from rich.markup import escape

    return escape(text)


def state(name: str) -> str:
    """The state as rich markup."""
    style = STATE_STYLES.get(name)
    return f"[{style}]{name}[/]" if style else name


def clock(stamp: str | None, zone: bool = False) -> str:
    """Local date and time, to the second. ``zone``: and where that is so."""
    time = when(stamp)
    return time.astimezone().strftime(f"%Y-%m-%d %H:%M:%S{' %Z' if zone else ''}") if time else ""


def moment(stamp: str | None) -> str:
    """Local time as short as it can be: of today the time, else the date."""
    time = when(stamp)
    if time is None:
        return ""
    local = time.astimezone()
    today = datetime.now().astimezone().date()
    return local.strftime("%H:%M" if local.date() == today else "%Y-%m-%d")


def ahead(outlook: Mapping[str, Any] | None) -> str:
    """When a job should be done, as ``GET /jobs`` says: ``3:20``, or ``never`` when no replica can take it."""
    if outlook is None or outlook["code"] == "paused":
        return ""
    return "never" if outlook["expected"] is None else seconds_text(outlook["expected"])


def forecast(outlook: Mapping[str, Any]) -> str:
    """When a job would be done that is not queued yet, such as ``place 2 of 2, done in about 3:20 (2:40 to 5:10), at
    14:05 CET``."""
    place = f"place {outlook['place']} of {outlook['jobs']} in the queue"
    if outlook["expected"] is None:
        return f"{place}, but nothing in the farm can take it now"
    low, expected, high = (seconds_text(outlook[name]) for name in ("low", "expected", "high"))
    end = datetime.now().astimezone() + timedelta(seconds=outlook["expected"])
    return f"{place}, done in about {expected} ({low} to {high}), at {end:%H:%M %Z}"


def seconds_text(seconds: float) -> str:
    """``1:02:03``, ``1:02`` or ``4.2 s``."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def took(seconds: float | None) -> str:
    """What a job took so far; empty before it has begun."""
    return "" if seconds is None else seconds_text(seconds)


def duration(start: str | None, end: str | None) -> str:
    """Time between two stamps (``end`` missing: until now), such as ``1:02:03`` or ``4.2 s``."""
    seconds = seconds_between(start, end)
    return "" if seconds is None else seconds_text(seconds)
