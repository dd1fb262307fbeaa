"""``farm presets`` and ``farm plugins``."""

import json
from pathlib import Path

import pytest

from farm.cli import main
from farm.cli.render import output_files
from tests.support.api import LiveFarm


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
    output, said = capsys.readouterr()
    assert said.startswith("(of this machine; FARM_HOME is ")
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


def test_lists_plugins_with_reasons(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    assert main(["plugins", "--json"]) == 0
    built_in, crash = json.loads(capsys.readouterr().out)
    assert built_in["enabled"] and "exporter mp4" in built_in["offers"]
    assert not crash["enabled"] and crash["reason"] == "ZeroDivisionError: division by zero"
    assert crash["where"] == "crash.py:1"
    assert main(["plugins"]) == 0
    assert "disabled" in capsys.readouterr().out
    assert not caplog.records, "a disabled plug-in is told of twice"


def test_several_files_of_a_render_have_names_of_their_own(tmp_path: Path) -> None:
    found = output_files(tmp_path / "dance.mp4", [".mp4", ".webm", ".mp4", ".zip"], True)
    assert {name: path.name for name, path in found.items()} == {
        "video": "dance.mp4",
        "contact_sheet": "dance.contact.png",
        "manifest": "dance.json",
        "video-1": "dance.webm",
        "manifest-1": "dance.webm.json",
        "video-2": "dance-2.mp4",
        "manifest-2": "dance-2.mp4.json",
        "video-3": "dance.zip",
        "manifest-3": "dance.zip.json",
    }


def test_a_farms_presets_plugins_models_and_loras_are_described(
    run, served: LiveFarm, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served.settings.home / "presets").mkdir(exist_ok=True)
    (served.settings.home / "presets" / "ours.toml").write_text('name = "Ours"\ndescription = "of the farm"\n')
    (served.settings.home / "loras").mkdir(exist_ok=True)
    (served.settings.home / "loras" / "ink.safetensors").touch()
    whose = ("--url", served.url, "--token", served.token)
    for command in ("presets", "plugins", "models", "loras"):
        shown = run(command, *whose)
        assert shown.code == 0 and shown.err == f"(of the farm at {served.url})\n", shown.err
    names = [preset["name"] for preset in json.loads(run("presets", *whose, "--json").out)["presets"]]
    assert "Ours" in names
    assert "of the farm" in run("presets", "show", "ours", *whose).out
    assert "crash" not in run("plugins", *whose).out and "crash" in run("plugins").out
    assert "puppet" in run("models", *whose).out and "ready" in run("models", *whose).out
    assert run("presets", "--here", *whose).code == 2
    monkeypatch.setenv("FARM_URL", served.url)
    assert "crash" in run("plugins", "--here").out  # which the farm does not have


def test_a_new_plug_in_is_written_checked_and_taken_by_a_running_farm(
    run, served: LiveFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("plugins", "new", "my-look", "--kind", "preset", "--into", tmp_path)
    assert made.code == 0 and "farm_my_look.py" in made.out and "farm plugins check" in made.err
    module = tmp_path / "farm-my-look" / "farm_my_look.py"
    assert run("plugins", "check", module.parent).out == "ok: preset My Look\n"
    whose = ("--url", served.url, "--token", served.token)
    module.rename(served.settings.plugins_dir / module.name)
    assert "preset My Look" in run("plugins", "reload", *whose).out
    assert "My Look" in run("presets", *whose).out
    broken = run("plugins", "check", "crash")
    assert broken.code == 1 and broken.out == "crash: crash.py:1: ZeroDivisionError: division by zero\n"
    assert run("plugins", "new").code == run("plugins", "new", "x", "--kind", "y").code == 2
