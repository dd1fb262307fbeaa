"""Sizes and moments as people read them, wherever they are shown."""

from collections.abc import Iterable
from datetime import UTC, datetime


def size(count: float | None) -> str:
    """``1.2 GB``, in powers of ten; empty for None."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(number: int, thing: str) -> str:
    """``1 section``, ``5 sections``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def when(stamp: str | None) -> datetime | None:
    """An ISO time of the API as an aware datetime; times without a zone are UTC, and none is None."""
    if not stamp:
        return None
    moment = datetime.fromisoformat(stamp)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds_between(start: str | None, end: str | None, now: datetime | None = None) -> float | None:
    """Seconds from one ISO time to another, without ``end`` to ``now``; None when it has not begun."""
    begin = when(start)
    return None if begin is None else ((when(end) or now or datetime.now(UTC)) - begin).total_seconds()


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers such as ``0-3, 7``; empty for none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
