"""What has arrived and nobody goes on with."""

import os
import time
from pathlib import Path

import pytest

from farm.jobs.assets import lora_asset
from farm.joining.arrivals import arrivals, coming_folder, sweep
from farm.settings import Settings

DAY = 86_400.0
ASSET = lora_asset("style", "5" * 64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.for_home(tmp_path / "home")


def left(place: Path, days: float) -> Path:
    """A file that was written so long ago, in a folder as old."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"weights")
    for path in (place, place.parent):
        os.utime(path, (time.time() - days * DAY,) * 2)
    return place


def test_leftovers_go_after_a_day(settings: Settings) -> None:
    file = coming_folder(settings, ASSET) / ("a" * 64)
    left(file, 0.9)
    sweep(settings, ())
    assert file.exists(), "a stopped push may go on there"
    left(file, 1.1)
    sweep(settings, ())
    assert list(arrivals(settings).iterdir()) == []


def test_what_is_going_on_stays_however_old(settings: Settings) -> None:
    file = left(coming_folder(settings, ASSET) / ("a" * 64), 100)
    sweep(settings, [ASSET])
    assert file.exists()


def test_a_file_that_grows_keeps_the_others_of_its_asset(settings: Settings) -> None:
    whole = left(coming_folder(settings, ASSET) / ("a" * 64), 3)
    whole.with_name("b" * 64 + ".part").write_bytes(b"grows")
    sweep(settings, ())
    assert whole.exists()


def test_files_in_part_go_after_a_day_too(settings: Settings) -> None:
    uploads = arrivals(settings) / ".uploads"
    old, young = left(uploads / "old.part", 1.1), left(uploads / "young.part", 0.9)
    sweep(settings, [ASSET])
    assert not old.exists() and young.exists()


def test_a_home_to_which_nothing_ever_came_is_left_alone(settings: Settings) -> None:
    sweep(settings, ())
    assert not settings.home.exists()
