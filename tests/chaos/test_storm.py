"""Whatever dies while jobs render: they are completed by themselves, with the bytes of an undisturbed render."""

from pathlib import Path

import pytest

from tests.chaos.storm import weather
from tests.support.farms import tiny

__all__ = ["tiny"]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1500)]


def test_fifteen_blows_at_four_jobs_change_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "storm"))
    struck = weather(tmp_path, blows=15, jobs=4, seed=7, forever=0.0, seconds=24, steps=100)
    assert struck.total() == 15 and len(struck) >= 6
