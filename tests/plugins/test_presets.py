"""Presets: the shipped ones, broken files, lookup and merging."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from farm.errors import InputError, PluginError
from farm.jobs.submission import Submission
from plugins.presets import Preset, load_presets, merge_preset, read_preset

GOOD = 'name = "Mine"\ndescription = "Mine."\n[values]\nsteps = 12\n'


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_shipped_presets_are_whole_and_default_comes_first():
    catalog = load_presets()
    assert list(catalog.presets) == ["Default", "Action", "Dance", "Hand Movement", "Subtle Movement", "Talking"]
    assert not catalog.broken
    for preset in catalog.presets.values():
        assert preset.description and preset.prompts
        request = Submission(prompt="p", image_sha256="0" * 64, **merge_preset(preset, {}))
        assert request.preset == preset.name
        assert all(getattr(request, key) == value for key, value in preset.values.items())


def test_hand_movement_does_not_skip_steps():
    assert load_presets().get("Hand Movement").values["cache"] == "none"


def test_lookup_ignores_case_and_suggests_the_nearest():
    catalog = load_presets()
    assert catalog.get("  dANCE ").name == "Dance"
    with pytest.raises(InputError, match=r"unknown preset 'Danse'\. Did you mean 'Dance'\?"):
        catalog.get("Danse")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = ", "not valid TOML"),
        ('name = "X"\n', "description: missing"),
        (GOOD + "stepz = 3\n", "values.stepz: unknown field 'stepz'. Did you mean 'steps'?"),
        (GOOD.replace("12", "500"), "values.steps: input should be less than or equal to 100, got 500"),
        (GOOD.replace("12", '"many"'), "values.steps: input should be a valid integer"),
        (GOOD.replace("12", "nan"), "values.steps: "),
        (GOOD + 'prompt = "hi"\n', "values.prompt: a preset can't set this field"),
        (GOOD + 'cache = "magic"\n', "values.cache: unknown cache 'magic'. Did you mean 'mag'? Available: auto, "),
        ('author = "me"\n' + GOOD, "author: unknown key"),
        ("", "name: missing"),
    ],
)
def test_broken_file_is_listed_with_one_line_and_stops_nothing(tmp_path: Path, text: str, reason: str):
    write(tmp_path, text)
    write(tmp_path, GOOD.replace("Mine", "Other"), "other.toml")
    catalog = load_presets([tmp_path])
    assert "Other" in catalog.presets and "Default" in catalog.presets
    (broken,) = catalog.broken
    assert broken.reason.startswith("mine.toml: ") and reason in broken.reason
    assert "\n" not in broken.reason


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path):
    path = write(tmp_path, 'name = "X"\n[values]\nstepz = 3\nprompt = "hi"\ngs = 500\n')
    with pytest.raises(PluginError) as caught:
        read_preset(path)
    said = ("description: missing; ", "; values.prompt: a preset can't", "values.stepz: unknown", "; values.gs: input")
    assert all(text in str(caught.value) for text in said) and "\n" not in str(caught.value)


def test_unreadable_files_are_broken_not_fatal(tmp_path: Path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.toml").mkdir()
    assert len(load_presets([tmp_path, tmp_path / "missing"]).broken) == 2
    with pytest.raises(PluginError, match="no such file"):
        read_preset(tmp_path / "nothing.toml")


def test_user_preset_replaces_a_shipped_one_whatever_its_case(tmp_path: Path):
    path = write(tmp_path, GOOD.replace('"Mine"', '"dance"'))
    catalog = load_presets([tmp_path])
    assert "Dance" not in catalog.presets
    assert catalog.get("Dance").values == {"steps": 12}
    assert catalog.sources["dance"] == str(path)


def test_user_fields_win_over_the_preset():
    preset = Preset(name="P", description="d", values={"steps": 12, "gs": 8})
    assert merge_preset(preset, {"steps": 3}) == {"steps": 3, "gs": 8.0, "preset": "P"}


def test_wheel_carries_the_preset_files(tmp_path: Path):
    root = Path(__file__).parents[2]
    source = tmp_path / "source"
    (source / "presets").mkdir(parents=True)
    for path in (root / "pyproject.toml", *(root / "presets").glob("*.toml")):
        (source / path.relative_to(root)).write_bytes(path.read_bytes())
    (source / "README.md").write_text("x")
    build = "from setuptools import build_meta as b; print(b.build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"presets/{path.name}" for path in (root / "presets").glob("*.toml")} <= names


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()])
def test_files_of_windows_editors_are_presets(tmp_path: Path, data: bytes):
    (tmp_path / "mine.TOML").write_bytes(data)
    assert "Mine" in load_presets([tmp_path]).presets


def test_utf16_is_named(tmp_path: Path):
    (tmp_path / "mine.toml").write_bytes(GOOD.encode("utf-16"))
    (broken,) = load_presets([tmp_path]).broken
    assert "UTF-16" in broken.reason and "save it as UTF-8" in broken.reason
