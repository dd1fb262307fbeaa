"""How commands print: tables for people, one JSON document for programs."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

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


def print_json(value: Any) -> None:
    """One indented JSON document on stdout."""
    import sys

    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def table(*columns: str, title: str | None = None) -> "Table":
    """A plain table; a column named with a trailing ``>`` is right-aligned."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        made.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    return made


def state(name: str) -> str:
    """The state as rich markup."""
    style = STATE_STYLES.get(name)
    return f"[{style}]{name}[/]" if style else name


def when(stamp: str | None) -> datetime | None:
    """An ISO time of the API as an aware datetime; times without a zone are UTC."""
    if not stamp:
        return None
    time = datetime.fromisoformat(stamp)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def clock(stamp: str | None) -> str:
    """Local date and time, to the second."""
    time = when(stamp)
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def size(count: float | None) -> str:
    """``1.2 GB``, in powers of ten; empty for None."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def ahead(outlook: Mapping[str, Any] | None) -> str:
    """When a job should be done, as ``GET /jobs`` says: ``3:20``, or ``never`` when no replica can take it."""
    if outlook is None or outlook["code"] == "paused":
        return ""
    return "never" if outlook["expected"] is None else seconds_text(outlook["expected"])


def seconds_text(seconds: float) -> str:
    """``1:02:03``, ``1:02`` or ``4.2 s``."""
    if seconds < 60:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(start: str | None, end: str | None) -> str:
    """Time between two stamps (``end`` missing: until now), such as ``1:02:03`` or ``4.2 s``."""
    begin = when(start)
    if begin is None:
        return ""
    return seconds_text(((when(end) or datetime.now(UTC)) - begin).total_seconds())
