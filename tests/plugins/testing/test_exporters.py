"""The contract finds the mistakes that authors make; that good exporters keep it is in ``test_exporters.py`` beside."""

import inspect
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.exporters.base import checked, written_aside
from plugins.testing import ExporterContract


class Good:
    name, extension, media_type = "good", ".bin", "application/octet-stream"

    def export(self, frames, path, info):
        with written_aside(path) as aside, aside.open("wb") as file:
            for frame in checked(frames, info):
                file.write(frame.tobytes()[:16])


class Hoards(Good):
    def export(self, frames, path, info):
        every = list(frames)
        super().export(iter(every), path, info)


class WritesInPlace(Good):
    def export(self, frames, path, info):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            for frame in checked(frames, info):
                file.write(frame.tobytes()[:16])


class Believes(Good):
    def export(self, frames, path, info):
        with written_aside(path) as aside, aside.open("wb") as file:
            for frame in frames:
                file.write(frame.tobytes()[:16])


class DrawsLots(Good):
    def export(self, frames, path, info):
        for _ in checked(frames, info):
            pass
        with written_aside(path) as aside:
            aside.write_text(uuid.uuid4().hex)


class Swallows(Good):
    def export(self, frames, path, info):
        try:
            super().export(frames, path, info)
        except Exception:
            path.write_text("sorry")


class NoVideo(Good):
    media_type = "video/mp4"


class Shouts(Good):
    name = "LOUD"


def broken_by(exporter: type[Good], folder: Path) -> set[str]:
    """The tests that it fails."""

    class TestIt(ExporterContract):
        pass

    TestIt.exporter = exporter()
    failed = set()
    for name, test in inspect.getmembers(TestIt(), inspect.ismethod):
        if name.startswith("test_"):
            place = folder / name
            place.mkdir()
            if fails(test, place):
                failed.add(name.removeprefix("test_"))
    return failed


def fails(test: Callable[..., None], place: Path) -> bool:
    try:
        test(**({"tmp_path": place} if "tmp_path" in inspect.signature(test).parameters else {}))
    except Exception:
        return True
    return False


@pytest.mark.parametrize(
    ("exporter", "broken"),
    [
        (Good, set()),
        (Hoards, {"takes_frames_one_at_a_time"}),
        (WritesInPlace, {"missing_frames_are_an_error_and_leave_nothing", "a_failure_midway_keeps_the_old_file"}),
        (Believes, {"missing_frames_are_an_error_and_leave_nothing", "frames_of_another_shape_are_an_error"}),
        (DrawsLots, {"same_frames_make_the_same_file"}),
        (NoVideo, {"file_is_whole"}),
        (Shouts, {"says_what_it_is"}),
    ],
)
def test_each_mistake_is_found(exporter: type[Good], broken: set[str], tmp_path: Path) -> None:
    assert broken_by(exporter, tmp_path) == broken


def test_swallowed_errors_are_found(tmp_path: Path) -> None:
    assert {
        "missing_frames_are_an_error_and_leave_nothing",
        "frames_of_another_shape_are_an_error",
        "a_failure_midway_keeps_the_old_file",
    } <= broken_by(Swallows, tmp_path)
