"""Families with defaults of their own, and what they refuse."""

from pathlib import Path
from typing import Any

import pytest

from farm.cli.app import main
from farm.errors import InputError
from farm.intake.request import Accepted, accept
from model.footage.media import Media
from plugins.manager import PluginManager
from tests.support.api import picture
from tests.support.clips import clip
from tests.support.helios import SCHEDULERS, helios_folder


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> PluginManager:
    folder = tmp_path_factory.mktemp("presets")
    (folder / "mine.toml").write_text('name = "Mine"\ndescription = "d"\n[values]\nsteps = 4\nexact_length = true\n')
    return PluginManager(presets_dir=folder, packages=False)


@pytest.fixture(autouse=True)
def checkpoints(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    root: Path = tmp_path_factory.getbasetemp() / "families"
    for family in SCHEDULERS:
        folder = root / family
        if not folder.exists():
            helios_folder(folder, family)
        monkeypatch.setenv(f"FARM_{family.upper().replace('-', '_')}_PATH", str(folder))


def ask(plugins: PluginManager, model: str, media: Media = Media(), **fields: Any) -> Accepted:
    return accept({"prompt": "A cat.", "model_type": model, **fields}, media, plugins=plugins)


def test_a_family_brings_its_defaults(plugins: PluginManager) -> None:
    base, distilled = (ask(plugins, model).request for model in ("helios", "helios-distilled"))
    assert (base.steps, base.cfg, base.gs) == (50, 5.0, 10.0) and base.n_prompt.startswith("Bright tones")
    assert (distilled.steps, distilled.cfg, distilled.n_prompt) == (2, 1.0, "")
    assert ask(plugins, "helios").plan.fps == 24


def test_the_user_and_a_preset_of_ones_own_win_over_them(plugins: PluginManager) -> None:
    assert ask(plugins, "helios", steps=30, n_prompt="dull").request.n_prompt == "dull"
    mine = ask(plugins, "helios-mid", preset="Mine").request
    assert (mine.steps, mine.cfg, mine.exact_length) == (4, 5.0, True)


def test_the_farms_presets_know_nothing_of_it(plugins: PluginManager) -> None:
    """Talking has a step cache and a guidance scale."""
    request = ask(plugins, "helios", preset="Talking").request
    assert (request.steps, request.gs, request.cache) == (50, 10.0, "none")


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        ("helios-distilled", {"cfg": 5}, "cfg is 5; model 'helios-distilled' has guidance distilled into it"),
        ("helios", {"cache": "tea"}, "cache is 'tea'; model 'helios' has no step cache"),
        ("helios", {"sampler": "euler"}, "sampler is 'euler'; model 'helios' brings its own"),
        ("helios", {"gs": 12}, "gs is 12.0, which means nothing to model 'helios'"),
        ("helios", {"tail": "ta"}, "tail is ta, which means nothing"),
        ("helios", {"order": "bisect"}, "needs context after the window"),
        ("helios", {"compression": "8x"}, r"trained with the layout f1k1_x_td_f16k4f2k2f1k1_g9 alone.*leave it out\.$"),
    ],
)
def test_what_means_nothing_to_it_is_refused(
    plugins: PluginManager, model: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ask(plugins, model, **fields)


def test_the_context_is_the_model_s_own(plugins: PluginManager) -> None:
    asked = {"total_second_length": 2.4, "seed": 1}
    plain = ask(plugins, "helios", **asked).request
    for said in ({"compression": "auto"}, {"layout": "auto"}, {"layout": "f1k1_x_td_f16k4f2k2f1k1_g9"}):
        assert ask(plugins, "helios", **asked, **said).request == plain
    fields = {"prompt": "p", "layout": "f1k1_x_g9_f1k1f8k2f64k8f512k16_td"}
    with pytest.raises(InputError, match=r"model 'puppet' was trained with.*`farm train pack` makes models"):
        accept(fields, picture(), plugins=plugins)


def test_a_video_shorter_than_a_section_is_refused(plugins: PluginManager) -> None:
    with pytest.raises(InputError, match="has 20 frames at the model's rate, which reads 33 at a time"):
        ask(plugins, "helios", Media(video=clip(20, 24)))


def test_there_is_no_cache_to_calibrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "picture.png"
    image.write_bytes(picture())
    assert main(["bench", "magcache", str(image), "-p", "A cat.", "--set", "model_type=helios-distilled"]) == 2
    assert "model 'helios-distilled' has no MagCache" in capsys.readouterr().err
