"""``farm presets`` and ``farm plugins``."""

import json
from pathlib import Path

import pytest

from farm.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARM_HOME", str(tmp_path))
    (tmp_path / "presets").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "presets" / "bad.toml").write_text('name = "Bad"\n')
    (tmp_path / "plugins" / "crash.py").write_text("1 / 0")
    return tmp_path


def test_lists_presets_and_names_broken_files(capsys: pytest.CaptureFixture[str]):
    assert main(["presets"]) == 0
    output = capsys.readouterr().out
    assert "Hand Movement" in output and "broken: bad.toml: description: missing." in output
    assert main(["presets", "list", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["presets"][0]["name"] == "Default" and len(data["broken"]) == 1


def test_shows_one_preset_in_any_case_and_suggests(capsys: pytest.CaptureFixture[str]):
    assert main(["presets", "show", "dance", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["values"]["steps"] == 30
    assert main(["presets", "show", "danc"]) == 2
    assert "Did you mean 'Dance'?" in capsys.readouterr().err


def test_checks_a_file(home: Path, capsys: pytest.CaptureFixture[str]):
    good = home / "good.toml"
    good.write_text('name = "Good"\ndescription = "d"\n[values]\nsteps = 4\n')
    assert main(["presets", "check", str(good)]) == 0
    assert capsys.readouterr().out.endswith("ok\n")
    assert main(["presets", "check", str(home / "presets" / "bad.toml")]) != 0
    assert "description: missing" in capsys.readouterr().err
    assert main(["presets", "check"]) == 2


def test_lists_plugins_with_reasons(capsys: pytest.CaptureFixture[str]):
    assert main(["plugins", "--json"]) == 0
    built_in, crash = json.loads(capsys.readouterr().out)
    assert built_in["enabled"] and "exporter mp4" in built_in["offers"]
    assert not crash["enabled"] and crash["reason"] == "ZeroDivisionError: division by zero"
    assert main(["plugins"]) == 0
    assert "disabled" in capsys.readouterr().out
