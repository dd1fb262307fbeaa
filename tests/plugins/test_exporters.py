"""Exporters: one contract for each built-in one, then what is particular to MP4 and the contact sheet.

What the files of each format hold is tested in ``test_exporters_formats.py``.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from plugins.builtin import farm_exporters
from plugins.contact_sheet import MAX_CELLS, ContactSheet, picked
from plugins.exporters import ExportInfo
from plugins.exporters.base import Frame, TimedPrompt
from plugins.exporters.mp4 import Mp4Exporter
from plugins.testing import ExporterContract
from plugins.testing.exporters import frames as drawn

INFO = ExportInfo(width=64, height=48, fps=30, frames=37, title="Ball", metadata={"comment": '{"seed": 7}'})
LARGE = replace(
    INFO, width=256, height=128, prompts=(TimedPrompt(0, 37 / 30, "A ball rolls"),), latents=(Path(__file__),)
)
"""Large enough for every format, with something to tell for each."""


def frames(info: ExportInfo = INFO) -> Iterator[Frame]:
    return drawn(info)


class TestEveryExporter(ExporterContract):
    """What authors inherit from, over each built-in one."""

    @pytest.fixture(autouse=True, params=farm_exporters(), ids=lambda exporter: exporter.name)
    def one(self, request: pytest.FixtureRequest) -> None:
        self.exporter = request.param


class TestMp4:
    @pytest.fixture(scope="class")
    def video(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp("mp4") / "video.mp4"
        Mp4Exporter().export(frames(), path, INFO)
        return path

    def test_is_what_browsers_play(self, video: Path):
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
            assert (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range) == (1, 1, 1, 1)
            assert stream.average_rate == 30 and stream.frames == 37
            assert stream.duration * stream.time_base * 30 == 37
            assert container.metadata["title"] == "Ball" and container.metadata["comment"] == '{"seed": 7}'
        data = video.read_bytes()
        assert 0 < data.find(b"moov") < data.find(b"mdat"), "the index must stand before the pictures"

    def test_best_quality_still_plays_in_browsers(self, tmp_path: Path):
        """A crf of 0 would be lossless, which x264 writes in the profile High 4:4:4 Predictive."""
        Mp4Exporter().export(frames(), tmp_path / "best.mp4", replace(INFO, crf=0))
        with av.open(str(tmp_path / "best.mp4")) as container:
            codec = container.streams.video[0].codec_context
            assert (codec.profile, codec.pix_fmt) == ("High", "yuv420p")

    def test_decoded_pictures_are_those_that_went_in(self, video: Path):
        with av.open(str(video)) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(decoded) == 37
        for got, sent in zip(decoded, frames(), strict=True):
            assert np.abs(got.astype(int) - sent).mean() < 4

    def test_odd_sizes_are_made_even(self, tmp_path: Path):
        info = replace(INFO, width=63, height=47, frames=3)
        Mp4Exporter().export(frames(info), tmp_path / "odd.mp4", info)
        with av.open(str(tmp_path / "odd.mp4")) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (64, 48)

    def test_higher_crf_is_smaller(self, video: Path, tmp_path: Path):
        Mp4Exporter().export(frames(), tmp_path / "small.mp4", replace(INFO, crf=40))
        assert (tmp_path / "small.mp4").stat().st_size < video.stat().st_size


class TestContactSheet:
    def test_picks_evenly_with_both_ends(self):
        assert picked(37, 4) == [0, 12, 24, 36]
        assert picked(3) == [0, 1, 2] and picked(1) == [0] and picked(0) == []
        assert len(set(picked(18001))) == MAX_CELLS

    def test_watches_a_stream_with_bounded_memory(self, tmp_path: Path):
        info = replace(INFO, frames=400)
        sheet = ContactSheet(info)
        seen = sum(1 for _ in sheet.tap(frames(info)))
        assert seen == 400 and len(sheet._cells) == MAX_CELLS
        sheet.save(tmp_path / "sheet.png")
        assert Image.open(tmp_path / "sheet.png").size == (8 + 4 * 200, 8 + 4 * (144 + 22 + 8))

    def test_cells_show_their_frames(self):
        sheet = ContactSheet(INFO)
        for _ in sheet.tap(frames()):
            pass
        image = sheet.image()
        first, last = image.getpixel((8 + 10, 8 + 48)), image.getpixel((8 + 3 * 200 + 10, 8 + 3 * 174 + 48))
        assert first[0] > 150 > 60 > last[0]
