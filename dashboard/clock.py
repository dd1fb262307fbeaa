"""Times by the clock of whoever looks at the page: browsers tell their zone, and without one it is this machine's."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone() -> tzinfo:
    """Of the viewer."""
    try:
        return ZoneInfo(st.context.timezone or "")
    except (ZoneInfoNotFoundError, ValueError):  # none told, or one that this machine does not know
        here = datetime.now().astimezone().tzinfo
        assert here is not None
        return here


def zone_name() -> str:
    """As people call it, such as ``Europe/Berlin`` or ``UTC+0100``."""
    found = zone()
    return found.key if isinstance(found, ZoneInfo) else datetime.now(found).strftime("UTC%z")


def told() -> str:
    """Whose clock it is, for a tooltip."""
    return f"By the clock of {zone_name()}"


def shown(moment: datetime | None) -> datetime | None:
    """What the viewer's clock shows at a moment that has a zone; without one, as fields for times take it."""
    return moment.astimezone(zone()).replace(tzinfo=None) if moment else None


def meant(moment: datetime | None) -> str | None:
    """A time that the viewer gave, which may have no zone, as ISO 8601 in UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone())).astimezone(UTC).isoformat()


def midnight(day: date | None) -> str | None:
    """When a day begins for the viewer, as ISO 8601 in UTC."""
    return meant(datetime.combine(day, time())) if day else None
