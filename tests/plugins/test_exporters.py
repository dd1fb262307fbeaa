"""Exporters: one contract for each built-in one, then what is particular to MP4 and the contact sheet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from farm.errors import FarmError, StorageError
from plugins.contact_sheet import MAX_CELLS, ContactSheet, ContactSheetExporter, picked
from plugins.exporters import Exporter, ExportInfo
from plugins.exporters.base import Frame
from plugins.exporters.mp4 import Mp4Exporter

INFO = ExportInfo(width=64, height=48, fps=30, frames=37, title="Ball", metadata={"comment": '{"seed": 7}'})


def frames(info: ExportInfo = INFO) -> Iterator[Frame]:
    """A square that walks to the right over a ramp."""
    for index in range(info.frames):
        picture = np.zeros((info.height, info.width, 3), np.uint8)
        picture[..., 2] = np.linspace(40, 200, info.width, dtype=np.uint8)
        picture[8:24, index % 50 : index % 50 + 12, 0] = 220
        yield picture


@pytest.mark.parametrize("exporter", [Mp4Exporter(), ContactSheetExporter()], ids=lambda e: e.name)
class TestEveryExporter:
    def test_satisfies_the_protocol(self, exporter: Exporter):
        assert isinstance(exporter, Exporter)

    def test_output_is_a_function_of_its_input(self, exporter: Exporter, tmp_path: Path):
        first, second = tmp_path / "a", tmp_path / "sub" / "b"
        exporter.export(frames(), first, INFO)
        exporter.export(frames(), second, INFO)
        assert first.stat().st_size > 500
        assert first.read_bytes() == second.read_bytes()

    @pytest.mark.parametrize("claimed", [36, 38])
    def test_wrong_frame_count_is_refused_and_leaves_nothing(self, exporter: Exporter, tmp_path: Path, claimed: int):
        with pytest.raises(FarmError, match=f"{claimed} frames|expected {claimed}"):
            exporter.export(frames(), tmp_path / "out", replace(INFO, frames=claimed))
        assert not list(tmp_path.iterdir())

    def test_wrong_shape_is_refused(self, exporter: Exporter, tmp_path: Path):
        with pytest.raises(FarmError, match=r"frame 0 is uint8 \[48, 64, 3\]; expected uint8 \[48, 66, 3\]"):
            exporter.export(frames(), tmp_path / "out", replace(INFO, width=66))

    def test_failure_midway_keeps_the_old_file(self, exporter: Exporter, tmp_path: Path):
        path = tmp_path / "out"
        path.write_text("old")

        def broken() -> Iterator[Frame]:
            yield from list(frames())[:20]
            raise RuntimeError("decoder died")

        with pytest.raises(RuntimeError, match="decoder died"):
            exporter.export(broken(), path, INFO)
        assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1

    def test_unwritable_place_is_a_storage_error(self, exporter: Exporter, tmp_path: Path):
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(StorageError, match=r"can't write .*file/out: "):
            exporter.export(frames(), tmp_path / "file" / "out", INFO)


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
