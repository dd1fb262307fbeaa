"""Presets that are saved read back as they were."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.errors import StorageError
from plugins.preset_files import remove_preset, save_preset, write_default
from plugins.presets import Preset, load_presets, read_defaults, read_preset

VALUES = {
    "steps": 30,
    "gs": 9.5,
    "resolution": None,
    "shift": 3.0,
    "loras": ["ink:0.5"],
    "magcache_ratios": [1.0, 0.9],
    "exports": ["mp4", "webm:crf=30"],
    "labels": ["studio"],
    "exact_length": True,
}


def test_every_kind_of_value_comes_back(tmp_path: Path) -> None:
    preset = Preset(name="Slow Wave", description="Calm.", prompts=("One.", "Two.\nLines."), values=VALUES, owner="ann")
    path = save_preset(tmp_path, preset)
    read = read_preset(path)
    assert path.name == "slow-wave.toml" and read.values == {k: v for k, v in preset.values.items() if v is not None}
    assert read.model_copy(update={"values": {}}) == preset.model_copy(update={"values": {}})
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and text.strip()), unique=True))
def test_names_with_one_safe_form_get_files_of_their_own(tmp_path_factory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("presets")
    wanted = {preset.name for preset in (Preset(name=name, description="x") for name in names)}
    for name in wanted:
        save_preset(folder, Preset(name=name, description="x"))
    assert {read_preset(path).name for path in folder.iterdir()} == wanted


def test_saving_in_place_and_removing(tmp_path: Path) -> None:
    path = save_preset(tmp_path, Preset(name="Mine", description="One."))
    assert save_preset(tmp_path, Preset(name="Mine", description="Two."), path) == path
    assert read_preset(path).description == "Two."
    remove_preset(path)
    assert not path.exists()
    with pytest.raises(StorageError, match="can't write"):
        save_preset(tmp_path / "file" / "below", Preset(name="Mine", description="x"), _file(tmp_path) / "x.toml")


def test_a_model_starts_with_the_preset_that_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "defaults.toml"
    for model, preset in (("puppet", "Dance"), ("framepack", "Talking"), ("puppet", "Gone"), ("f1", None)):
        write_default(path, model, preset)
    assert read_defaults(path) == {"framepack": "Talking", "puppet": "Gone"}
    catalog = load_presets(defaults=path)
    assert [catalog.default_for(model) for model in ("FramePack", "puppet", "f1")] == ["Talking", "Default", "Default"]
    write_default(path, "framepack", None)
    assert load_presets(defaults=path).default_for("framepack") == "Default"
    path.write_text("puppet = ")
    broken = load_presets(defaults=path)
    assert broken.default_for("puppet") == "Default" and [each.path for each in broken.broken] == [path]


def _file(folder: Path) -> Path:
    path = folder / "file"
    path.write_text("x")
    return path
