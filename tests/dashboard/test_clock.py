"""Times are shown and read by the clock of whoever looks, not by that of the dashboard's machine."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
import streamlit as st

from dashboard import clock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def looks_from(monkeypatch: pytest.MonkeyPatch):
    """Makes the viewer's browser tell a time zone."""
    return lambda zone: monkeypatch.setattr(st, "context", SimpleNamespace(timezone=zone))


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Tokyo", 21), ("America/New_York", 8), ("UTC", 12)])
def test_times_are_the_viewers(looks_from, zone: str, hour: int) -> None:
    looks_from(zone)
    assert clock.shown(NOON) == datetime(2026, 7, 1, hour) and clock.told() == f"By the clock of {zone}"
    assert clock.meant(clock.shown(NOON)) == clock.meant(NOON) == NOON.isoformat()


def test_a_day_begins_when_it_does_for_the_viewer(looks_from) -> None:
    looks_from("Asia/Tokyo")
    assert clock.midnight(date(2026, 7, 1)) == "2026-06-30T15:00:00+00:00"


@pytest.mark.parametrize("zone", [None, "", "Atlantis/Capital", "../etc/passwd"])
def test_without_a_zone_that_is_known_it_is_this_machines(looks_from, zone: str | None) -> None:
    looks_from(zone)
    here = datetime.now().astimezone().utcoffset()
    assert datetime.now(clock.zone()).utcoffset() == here and clock.zone_name().startswith("UTC")


def test_nothing_stays_nothing(looks_from) -> None:
    looks_from("UTC")
    assert clock.shown(None) is clock.meant(None) is clock.midnight(None) is None
