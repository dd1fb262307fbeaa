"""Post-processing between frames and exporter: what the built-in processors make, and what becomes of bad ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm.errors import InputError, PluginError
from plugins.exporters import ExportInfo
from plugins.exporters.base import Frame, SectionInfo
from plugins.exporters.process import Written, export_apart
from plugins.manager import PluginManager
from plugins.post.chain import processed
from plugins.post.interpolate import Interpolate
from plugins.post.upscale import Upscale
from plugins.post.weights import content_of
from tests.support.machine import here

INFO = ExportInfo(32, 24, 30, 12, sections=(SectionInfo(0, 0, 5, "it rolls"), SectionInfo(1, 5, 7, "it jumps")))
STEPS = [(Upscale(), {"scale": 1.5}), (Interpolate(), {"fps": 60, "method": "blend"})]

PLUGIN = """
from dataclasses import replace
from pathlib import Path
from plugins import hookimpl
from plugins.exporters import Options

class Darker:
    name, title = "darker", "Half as bright"
    weights = (Path(__file__).with_name("factor.txt"),)
    def shape(self, before, options): return before
    def process(self, frames, before, options):
        factor = float(self.weights[0].read_text())
        for frame in frames:
            yield (frame * factor).astype("uint8")

class Liar(Darker):
    name, weights = "liar", ()
    def shape(self, before, options): return replace(before, width=2 * before.width)
    def process(self, frames, before, options): yield from frames

class Shorter(Liar):
    name = "shorter"
    def shape(self, before, options): return replace(before, frames=before.frames // 2)

class Burst(Darker):
    name, weights = "burst", ()
    def process(self, frames, before, options):
        yield next(frames)
        raise RuntimeError("no more")

@hookimpl
def farm_post_processors():
    return [Darker(), Liar(), Shorter(), Burst()]
"""


def frames(count: int = INFO.frames) -> Iterator[Frame]:
    """A bright square that walks to the right."""
    for index in range(count):
        frame = np.full((INFO.height, INFO.width, 3), 40, np.uint8)
        frame[8:16, index : index + 8] = 200
        yield frame


def made(*steps: Any) -> tuple[list[Frame], ExportInfo]:
    found, info = processed(frames(), INFO, steps or STEPS)
    return list(found), info


def test_a_chain_makes_what_it_says_twice_the_same() -> None:
    found, info = made()
    assert (info.width, info.height, info.fps, info.frames) == (48, 36, 60, 24) and info.seconds == INFO.seconds
    assert {frame.shape for frame in found} == {(36, 48, 3)} and len(found) == 24
    assert [(one.first_frame, one.frames) for one in info.sections] == [(0, 10), (10, 14)]
    assert all(np.array_equal(one, other) for one, other in zip(found, made()[0], strict=True))
    assert found[0].max() > 190 and found[0].min() < 50


def test_nearest_repeats_pixels_and_lanczos_does_not() -> None:
    sharp, _ = made((Upscale(), {"filter": "nearest"}))
    smooth, _ = made((Upscale(), {}))
    assert set(np.unique(sharp[3])) == {40, 200} and len(np.unique(smooth[3])) > 4


def test_frames_are_taken_as_they_are_needed() -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in frames(400):
            taken += 1
            yield frame

    found, _ = processed(counted(), replace(INFO, frames=400), STEPS)
    for _ in range(20):
        next(found)
    assert taken < 40


def test_sections_stand_where_they_stood_at_any_rate() -> None:
    _, info = made((Interpolate(), {"fps": 24, "method": "repeat"}))
    assert [(one.first_frame, one.frames) for one in info.sections] == [(0, 4), (4, 6)]
    with pytest.raises(PluginError, match="motion is found in pictures from 32x32 pixels; upscale them before"):
        made((Interpolate(), {}))


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> PluginManager:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "dark.py").write_text(PLUGIN)
    found = PluginManager(folder, packages=False)
    assert not found.plugins[-1].reason and "post-processor darker" in found.plugins[-1].offers
    return found


def test_one_of_a_plug_in_needs_its_weights(plugins: PluginManager, tmp_path: Path) -> None:
    darker = plugins.post_processor("Darker")
    weights = Path(darker.weights[0])
    with pytest.raises(InputError, match=f"post-processor darker can't be used: its weights {weights} are not there"):
        darker.check({})
    weights.write_text("0.5")
    before = content_of(darker, here())
    written = _export(plugins, tmp_path / "dark.zip", "darker")
    assert darker.check({}) == {} and written.file["files"] == 12 and written.shape.frames == 12
    weights.write_text("0.25")
    assert content_of(darker, here()) != before
    bright, dark = tmp_path / "bright.zip", tmp_path / "dark.zip"
    _export(plugins, bright)
    assert bright.read_bytes() != dark.read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("liar", r"post-processor 'liar': frame 0 is uint8 \[24, 32, 3\]; expected uint8 \[24, 64, 3\]"),
        ("shorter", "'shorter' makes 0.200 s of 0.400 s; videos keep their length"),
        ("burst", "post-processor 'burst' failed: RuntimeError: no more"),
    ],
)
def test_one_that_fails_is_named(plugins: PluginManager, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        _export(plugins, tmp_path / "out.zip", name)
    assert not list(tmp_path.iterdir())


def test_options_are_checked_before(plugins: PluginManager) -> None:
    assert plugins.post_processor("upscale").check({"scale": "3"}) == {"scale": 3.0}
    with pytest.raises(InputError, match="option scale of post-processor upscale is 9; it should be less than"):
        plugins.post_processor("upscale").check({"scale": 9})
    with pytest.raises(InputError, match=r"unknown post-processor 'upscle'\. Did you mean 'upscale'"):
        plugins.post_processor("upscle")


def _export(plugins: PluginManager, path: Path, *names: str) -> Written:
    steps = [(plugins.post_processor(name), {}) for name in names]
    return export_apart(plugins.exporter("png"), frames(), path, INFO, 60, steps)
