"""What is in the files of each format: decoded again, by PyAV or by whoever else reads such files."""

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio
import pytest
from PIL import Image

from farm.errors import FarmError, InputError, PluginError
from plugins.exporters import ExportInfo
from plugins.exporters.base import Frame, Moment, SectionInfo, TimedPrompt
from plugins.exporters.process import export_apart
from plugins.manager import PluginManager

COMMENT = '{"prompt": "A ball", "seed": 7}'
INFO = ExportInfo(
    width=256,
    height=128,
    fps=30,
    frames=12,
    title="Ball",
    metadata={"comment": COMMENT},
    video_name="ball.mp4",
    sections=(SectionInfo(0, 0, 6, "It rolls"), SectionInfo(1, 6, 6, "It jumps")),
    prompts=(TimedPrompt(0, 0.2, "It rolls"), TimedPrompt(0.2, 0.4, "It jumps\n\nand \u00fcbt")),
    keyframes=(Moment(0.3, "keyframe-000"),),
)
MANAGER = PluginManager(packages=False)


def frames(info: ExportInfo = INFO) -> Iterator[Frame]:
    """A red square that walks over a blue ramp."""
    for index in range(info.frames):
        picture = np.zeros((info.height, info.width, 3), np.uint8)
        picture[..., 2] = np.linspace(40, 200, info.width, dtype=np.uint8)
        picture[16:64, 8 * index : 8 * index + 48, 0] = 220
        yield picture


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(name: str, info: ExportInfo = INFO, **options: Any) -> Path:
        exporter = MANAGER.exporter(name)
        path = tmp_path / f"video{exporter.extension}"
        export_apart(exporter, frames(info), path, replace(info, options=exporter.check(options)), 60)
        return path

    return made


def decoded(path: Path | io.BytesIO) -> list[Frame]:
    with av.open(str(path) if isinstance(path, Path) else path) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


def difference(found: list[Frame], info: ExportInfo = INFO) -> float:
    """Mean over all pixels; the frames must be as many."""
    pairs = zip(found, frames(info), strict=True)
    return float(np.mean([np.abs(got.astype(int) - sent).mean() for got, sent in pairs]))


VIDEOS = [
    ("mp4", {}, "h264", "yuv420p", 2),
    ("mp4", {"codec": "h265", "crf": "20"}, "hevc", "yuv420p", 3),
    ("mp4", {"codec": "AV1", "speed": "fast"}, "av1", "yuv420p10le", 3),
    ("webm", {"crf": 20}, "vp9", "yuv420p", 3),
    ("webm", {"codec": "av1"}, "av1", "yuv420p10le", 3),
    ("mov-prores", {}, "prores", "yuv422p10le", 1.5),
    ("mov-prores", {"profile": "4444"}, "prores", "yuv444p12le", 1.5),
    ("mov-dnxhr", {}, "dnxhd", "yuv422p", 2),
    ("mov-dnxhr", {"profile": "444"}, "dnxhd", "yuv444p10le", 1.5),
    ("ffv1", {}, "ffv1", "bgr0", 0),
]


@pytest.mark.parametrize(("name", "options", "codec", "pix_fmt", "most"), VIDEOS)
def test_videos_decode_to_what_went_in(
    make: Make, name: str, options: dict[str, Any], codec: str, pix_fmt: str, most: float
) -> None:
    path = make(name, **options)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (256, 128, 30)
        assert container.duration == 400_000
        found = {key.lower(): value for key, value in container.metadata.items()}
        assert (found["comment"], found["title"]) == (COMMENT, "Ball")
        assert stream.codec_context.codec.canonical_name == codec and stream.codec_context.pix_fmt == pix_fmt
        if codec != "ffv1":
            assert stream.codec_context.colorspace == 1, "BT.709"
    assert difference(decoded(path)) <= most


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize(("name", "options", "codec", "pix_fmt", "most"), VIDEOS)
def test_ffprobe_counts_every_frame(
    make: Make, name: str, options: dict[str, Any], codec: str, pix_fmt: str, most: float
) -> None:
    fields = "stream=codec_name,width,height,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", fields, "-of", "json"]
    said = subprocess.run([*command, str(make(name, **options))], capture_output=True, check=True, text=True)
    [stream] = json.loads(said.stdout)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == (codec, 256, 128)
    assert stream["nb_read_frames"] == "12" and not said.stderr


def test_a_gif_has_a_palette_of_its_own(make: Make) -> None:
    assert difference(decoded(make("gif", dither="none"))) < 3
    small = make("gif", fps=10, width=64, loop=3)
    with Image.open(small) as picture:
        assert (picture.size, getattr(picture, "n_frames", 0), picture.info["loop"]) == ((64, 32), 4, 2)


def test_webp_is_animated(make: Make) -> None:
    with Image.open(make("webp", lossless=True)) as picture:
        found = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            found.append(np.asarray(picture.convert("RGB")))
    assert difference(found) == 0
    with Image.open(make("webp", quality=50, fps=15)) as picture:
        assert getattr(picture, "n_frames", 1) == 6
        picture.load()
        assert picture.info["duration"] in (66, 67)


def test_frames_in_a_zip_keep_every_pixel(make: Make) -> None:
    with zipfile.ZipFile(make("png")) as file:
        assert file.namelist() == [f"frame-{index:06d}.png" for index in range(12)]
        found = [np.asarray(Image.open(io.BytesIO(file.read(name)))) for name in file.namelist()]
    assert difference(found) == 0


def test_exr_holds_linear_light_in_half_floats(make: Make) -> None:
    def middle(path: Path) -> list[float]:
        with zipfile.ZipFile(path) as file, av.open(io.BytesIO(file.read("frame-000000.exr"))) as container:
            picture = next(container.decode(video=0))
            assert picture.format.name == "gbrpf16le"
            planes = {
                name: np.frombuffer(bytes(plane), np.float16).reshape(128, -1)
                for name, plane in zip("gbr", picture.planes, strict=True)
            }
            return [float(planes[name][32, 24]) for name in "rgb"]

    sent = next(frames())[32, 24] / 255
    assert middle(make("exr", transfer="srgb")) == pytest.approx(sent, abs=1e-3)
    assert middle(make("exr")) == pytest.approx(
        np.where(sent > 0.04045, ((sent + 0.055) / 1.055) ** 2.4, sent / 12.92), abs=1e-3
    )


def test_hls_plays_from_its_folder(make: Make, tmp_path: Path) -> None:
    long = replace(INFO, frames=45)
    with zipfile.ZipFile(make("hls", long, segment_seconds=0.5)) as file:
        file.extractall(tmp_path / "web")
    playlist = (tmp_path / "web" / "index.m3u8").read_text()
    assert playlist.count(".m4s") == 3 and "#EXT-X-ENDLIST" in playlist and str(tmp_path) not in playlist
    assert difference(decoded(tmp_path / "web" / "index.m3u8"), long) < 2


def test_the_latents_are_the_files_themselves(make: Make, tmp_path: Path) -> None:
    files = [tmp_path / f"{index}" for index in range(2)]
    for index, file in enumerate(files):
        file.write_bytes(bytes([index]) * 2_000_000)
    with zipfile.ZipFile(make("latents", replace(INFO, latents=tuple(files)))) as bundle:
        assert [bundle.read(f"latents-00{index}.safetensors") for index in range(2)] == [f.read_bytes() for f in files]
        assert json.loads(bundle.read("video.json"))["sections"][1]["prompt"] == "It jumps"


def test_the_timeline_is_what_opentimelineio_reads(make: Make) -> None:
    timeline = opentimelineio.adapters.read_from_file(str(make("otio")))
    clips = list(timeline.find_clips())
    assert timeline.name == "Ball" and timeline.duration().to_seconds() == pytest.approx(0.4)
    assert [clip.name for clip in clips] == ["section 0", "section 1"]
    assert [clip.source_range.start_time.value for clip in clips] == [0, 6]
    assert {clip.media_reference.target_url for clip in clips} == {"ball.mp4"}
    marks = {marker.name: marker.marked_range.start_time.value for marker in timeline.tracks.markers}
    assert marks == {"It rolls": 0, "It jumps\n\nand \u00fcbt": 6, "keyframe-000": 9}


def test_subtitles_say_when_each_prompt_holds(make: Make) -> None:
    expected = (
        "1\n00:00:00,000 --> 00:00:00,200\nIt rolls\n\n2\n00:00:00,200 --> 00:00:00,400\nIt jumps\nand \u00fcbt\n"
    )
    path = make("srt")
    assert path.read_text(encoding="utf-8") == expected
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux()) == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mp4", {"crf": 52}, "option crf of exporter mp4 is 52; it should be less than or equal to 51"),
        ("webm", {"crf": "much"}, "option crf of exporter webm is 'much'; it should be a valid integer"),
        ("webm", {"cfr": 30}, "unknown option of exporter webm 'cfr'. Did you mean 'crf'"),
        ("gif", {"dither": "nice"}, "option dither of exporter gif is 'nice'; it should be 'sierra2_4a'"),
        ("hls", {"segment_seconds": "nan"}, "segment_seconds of exporter hls is 'nan'; it should be a finite number"),
        ("ffv1", {"crf": 3}, "unknown option of exporter ffv1 'crf'"),
    ],
)
def test_options_are_checked_before_anything_is_rendered(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MANAGER.exporter(name).check(options)


def test_what_is_not_given_is_the_exporters_own(make: Make) -> None:
    """An option called crf is the job's."""
    fine, coarse = make("mp4").read_bytes(), make("mp4", replace(INFO, crf=40)).read_bytes()
    assert len(coarse) < len(fine) and make("mp4", crf=40).read_bytes() == coarse


def test_a_format_that_can_not_hold_the_video_says_so(make: Make) -> None:
    with pytest.raises(FarmError, match="DNxHR takes videos from 256x120 pixels, this one has 64x64"):
        make("mov-dnxhr", replace(INFO, width=64, height=64))
    with pytest.raises(FarmError, match="latents are not at hand"):
        make("latents")


LIARS = """
from plugins import hookimpl
from plugins.exporters import Options

class Liar:
    extension, media_type = ".mp4", "video/mp4"
    def __init__(self, name, content): self.name, self.content = name, content
    def export(self, frames, path, info):
        whole = list(frames)
        if self.content is not None:
            path.write_bytes(self.content)

class Short(Liar):
    def export(self, frames, path, info):
        from dataclasses import replace
        from itertools import islice
        from plugins.exporters.mp4 import Mp4Exporter
        Mp4Exporter().export(islice(frames, 2), path, replace(info, frames=2, options=None))

class Choosy(Liar):
    unavailable = "it needs a licence."
    class options(Options):
        level: int = 3

@hookimpl
def farm_exporters():
    contents = {"none": None, "empty": b"", "text": b"done " * 100}
    return [*(Liar(*each) for each in contents.items()), Short("short", None), Choosy("choosy", None)]
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "'none' wrote no file"),
        ("empty", "'empty' wrote an empty file"),
        ("text", "'text' wrote a file that is no whole video/mp4"),
        ("short", "'short' wrote .*it is 0.067 s long; expected 1.000 s"),
    ],
)
def test_a_file_that_is_not_whole_does_not_count(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "liars.py").write_text(LIARS)
    exporter = PluginManager(tmp_path, packages=False).exporter(name)
    long = replace(INFO, frames=30)
    with pytest.raises(PluginError, match=message):
        export_apart(exporter, frames(long), tmp_path / "out", long, 60)


def test_one_that_can_not_be_used_here_says_why(tmp_path: Path) -> None:
    (tmp_path / "liars.py").write_text(LIARS)
    exporter = PluginManager(tmp_path, packages=False).exporter("choosy")
    assert [(option.name, option.kind, option.default) for option in exporter.options] == [("level", "integer", 3)]
    with pytest.raises(InputError, match="exporter choosy can't be used: it needs a licence"):
        exporter.check({})
