"""Whatever dies while jobs render: they are completed by themselves, with the bytes of an undisturbed render."""

from pathlib import Path

import pytest

from tests.chaos.storm import weather
from tests.support.farms import tiny

__all__ = ["tiny"]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1500)]


@pytest.mark.parametrize(("blows", "jobs", "seed"), [(5, 2, 47), pytest.param(15, 4, 7, marks=pytest.mark.soak)])
def test_blows_at_rendering_jobs_change_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blows: int, jobs: int, seed: int
):
    """The seed of the short storm is one that strikes both what Ray can't be without and what it starts again."""
    monkeypatch.setenv("FARM_HOME", str(tmp_path / "storm"))
    struck = weather(tmp_path, blows=blows, jobs=jobs, seed=seed, forever=0.0, seconds=15, steps=60)
    assert struck.total() == blows and len(struck) >= min(blows, 6)
