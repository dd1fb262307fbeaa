"""What every exporter has to do."""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..exporters.base import Exporter, ExportInfo, Frame, SectionInfo, TimedPrompt, chosen
from ..exporters.written import look_at
from ..loading import ExporterFacts, check_exporter

INFO = ExportInfo(
    width=256,
    height=128,
    fps=30,
    frames=37,
    title="A ball; Привет",
    metadata={"comment": '{"seed": 7}'},
    sections=(SectionInfo(0, 0, 37, "A ball rolls"),),
    prompts=(TimedPrompt(0, 37 / 30, "A ball rolls"),),
    latents=(Path(__file__),),
)
"""A video of one section, large enough for every format."""
AT_ONCE = 24
"""Frames that an exporter may hold at a time."""


def frames(info: ExportInfo = INFO) -> Iterator[Frame]:
    """A square that walks to the right over a ramp."""
    for index in range(info.frames):
        picture = np.zeros((info.height, info.width, 3), np.uint8)
        picture[..., 2] = np.linspace(40, 200, info.width, dtype=np.uint8)
        picture[8:24, index % 50 : index % 50 + 12, 0] = 220
        yield picture


class ExporterContract:
    """Inherit it, and name the exporter: ``class TestMine(ExporterContract): exporter = MyExporter()``.

    Attributes:
        exporter: the object under test.
        options: values of its options to try it with; its defaults where there are none.
    """

    exporter: Exporter
    options: Mapping[str, Any] = {}

    def export(self, source: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """As the farm calls it."""
        model = getattr(self.exporter, "options", None)
        made = replace(info, options=dict(self.options))
        self.exporter.export(source, path, replace(made, options=chosen(model, made) if model else None))

    def test_says_what_it_is(self) -> None:
        """Name, extension, media type, and options that a form can show."""
        check_exporter(self.exporter)
        ExporterFacts.of(self.exporter)

    def test_file_is_whole(self, tmp_path: Path) -> None:
        """What it writes can be opened, and is as long as the video."""
        path = tmp_path / f"video{self.exporter.extension}"
        self.export(frames(), path, INFO)
        look_at(self.exporter.name, path, self.exporter.media_type, INFO)

    def test_same_frames_make_the_same_file(self, tmp_path: Path) -> None:
        """Bit for bit, and in a folder that is not there yet."""
        first, second = tmp_path / "a", tmp_path / "sub" / "b"
        self.export(frames(), first, INFO)
        self.export(frames(), second, INFO)
        same = first.read_bytes() == second.read_bytes()
        assert same, "it wrote two different files: leave out dates, random numbers and the number of threads"

    def test_takes_frames_one_at_a_time(self, tmp_path: Path) -> None:
        """A video may be far larger than memory."""
        given: list[weakref.ref[Frame]] = []
        most = 0

        def watched() -> Iterator[Frame]:
            nonlocal most
            for picture in frames(long):
                given.append(weakref.ref(picture))
                yield picture
                most = max(most, sum(reference() is not None for reference in given))

        long = replace(INFO, frames=60, sections=(), prompts=(TimedPrompt(0, 2, "A ball rolls"),))
        self.export(watched(), tmp_path / "out", long)
        assert most <= AT_ONCE, f"it held {most} frames at a time: take one, write it, let it go"

    def test_missing_frames_are_an_error_and_leave_nothing(self, tmp_path: Path) -> None:
        """``checked`` sees to it that the frames are as many as ``info`` says, and ``written_aside`` to the rest."""
        for claimed in (INFO.frames - 1, INFO.frames + 1):
            with raises(f"{INFO.frames} frames came and {claimed} were promised"):
                self.export(frames(), tmp_path / "out", replace(INFO, frames=claimed))
        left = [path.name for path in tmp_path.iterdir()]
        assert not left, f"it left {left} behind: write to what `written_aside` gives"

    def test_frames_of_another_shape_are_an_error(self, tmp_path: Path) -> None:
        """As ``checked`` makes sure."""
        with raises("frames came that are narrower than promised"):
            self.export(frames(), tmp_path / "out", replace(INFO, width=INFO.width + 2))

    def test_a_failure_midway_keeps_the_old_file(self, tmp_path: Path) -> None:
        """What ``frames`` raises is passed on, and what lay there stays."""
        path = tmp_path / "out"
        path.write_bytes(b"old")

        def broken() -> Iterator[Frame]:
            for index, picture in enumerate(frames()):
                if index == 20:
                    raise Broken("the decoder died")
                yield picture

        with raises("the frames broke off", Broken):
            self.export(broken(), path, INFO)
        assert path.read_bytes() == b"old", "it wrote over the file before the new one was whole"
        assert len(list(tmp_path.iterdir())) == 1, "it left files behind: write to what `written_aside` gives"

    def test_a_place_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        """Such as a folder that is a file."""
        (tmp_path / "file").write_text("not a folder")
        with raises("its file can't be written"):
            self.export(frames(), tmp_path / "file" / "out", INFO)


class Broken(Exception):
    """Of a test's own frames."""


@contextmanager
def raises(when: str, kind: type[Exception] = Exception) -> Iterator[None]:
    """A block in which something has to be raised."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"it raises nothing when {when}")
