"""The plug-in manager: what loads, what is disabled, and that nothing broken stops the farm."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from farm.errors import InputError
from farm.settings import Settings
from plugins.manager import BUILT_IN, PluginInfo, PluginManager, get_manager

EXPORTER = """
from plugins import hookimpl

class Null:
    name = "{name}"
    extension = ".null"
    media_type = "application/x-null"
    def export(self, frames, path, info):
        path.write_text(str(sum(1 for _ in frames)))

@hookimpl
def farm_exporters():
    return [Null()]
"""


def load(folder: Path, source: str, name: str = "mine") -> tuple[PluginManager, PluginInfo]:
    (folder / f"{name}.py").write_text(source)
    manager = PluginManager(folder, packages=False)
    return manager, next(info for info in manager.plugins if info.name == name)


def test_built_in_exporters_come_through_the_same_hooks():
    manager = PluginManager(packages=False)
    [built_in] = manager.plugins
    assert built_in.enabled and {"exporter mp4", "exporter webm", "exporter contact-sheet"} <= set(built_in.offers)
    assert manager.exporter(" MP4 ").media_type == "video/mp4"
    with pytest.raises(InputError, match=r"unknown exporter 'mp5'\. Did you mean 'mp4'"):
        manager.exporter("mp5")


def test_plugin_from_the_folder_is_offered(tmp_path: Path):
    manager, info = load(tmp_path, EXPORTER.format(name="null"))
    assert info == PluginInfo("mine", str(tmp_path / "mine.py"), offers=("exporter null",))
    assert manager.exporter("null").extension == ".null"


def test_home_holds_plugins_and_presets(tmp_path: Path):
    settings = Settings.for_home(tmp_path).ensure_home()
    package = settings.plugins_dir / "pack"
    package.mkdir()
    (package / "soft.toml").write_text('name = "Soft"\ndescription = "d"\n[values]\ngs = 3\n')
    (package / "__init__.py").write_text(
        "from pathlib import Path\nfrom plugins import hookimpl\n"
        "@hookimpl\ndef farm_presets():\n    return [Path(__file__).parent]\n"
    )
    (settings.presets_dir / "own.toml").write_text('name = "Own"\ndescription = "d"\n')
    manager = get_manager(settings)
    assert manager.presets.sources["Soft"] == "plug-in pack"
    assert manager.presets.get("soft").values == {"gs": 3.0}
    assert "Own" in manager.presets.presets


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_here", "ModuleNotFoundError"),
        ("FARM_PLUGIN_API = 99", "made for plug-in API 99"),
        (EXPORTER.format(name="mp4"), "an exporter called 'mp4' exists already"),
        (EXPORTER.format(name="Null"), "name 'Null' is unusable; expected 1 to 40 of a-z"),
        (EXPORTER.format(name=""), "name '' is unusable"),
        (EXPORTER.format(name="../x"), "name '../x' is unusable"),
        (EXPORTER.format(name="null").replace('".null"', '"null"'), "extension 'null' is unusable; expected a dot"),
        (EXPORTER.format(name="null").replace('".null"', '"./../x"'), "extension './../x' is unusable"),
        (EXPORTER.format(name="null").replace('".null"', "None"), "extension None is unusable"),
        (
            EXPORTER.format(name="null").replace("application/x-null", "text/html\\r\\nSet-Cookie: a=b"),
            "media type 'text/html\\r\\nSet-Cookie: a=b' is unusable; expected type/subtype",
        ),
        (EXPORTER.format(name="null").replace("application/x-null", "mp4"), "media type 'mp4' is unusable"),
        (EXPORTER.format(name="null").replace("[Null()]", "[Null(), Null()]"), "two exporters called 'null'"),
        ("import os; os._exit(7)", "importing it ended the process (code 7)"),
        (
            "print('lost my way'); import os, sys; sys.stdout.flush(); os.abort()",
            "(signal 6 (SIGABRT)); its last words",
        ),
        ("class Quit(BaseException): pass\nraise Quit('enough')", "Quit: enough"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import sys; sys.stdout.close(); sys.stderr.close(); 1 / 0", "ZeroDivisionError"),
        ("import os; os.close(1); os.close(2); 1 / 0", "ZeroDivisionError"),
        (EXPORTER.format(name="null").replace("[Null()]", "[Null]"), "expected objects with name"),
        (EXPORTER.format(name="null").replace("def export", "def write"), "expected objects with name"),
        (EXPORTER.format(name="null").replace("return [Null()]", "raise OSError('gone')"), "OSError: gone"),
        (EXPORTER.format(name="null").replace("farm_exporters()", "farm_exporters(farm)"), "farm"),
        (EXPORTER.format(name="null").replace("def farm_exporters", "def farm_export"), "unknown hook 'farm_export'"),
        (EXPORTER.format(name="null").replace("@hookimpl", ""), "not marked with @hookimpl"),
        (
            "from plugins import hookimpl\n@hookimpl\ndef farm_presets():\n    return ['x']",
            "expected Preset or pathlib.Path",
        ),
    ],
)
def test_broken_plugin_is_disabled_with_its_reason(tmp_path: Path, source: str, reason: str):
    manager, info = load(tmp_path, source)
    assert not info.enabled and reason in info.reason and "\n" not in info.reason
    assert {exporter.source for exporter in manager.exporters.values()} == {BUILT_IN}, "nothing of it may stay"
    assert "Default" in manager.presets.presets


@pytest.mark.parametrize("source", ["while True: pass", "import os, time; os.fork(); time.sleep(99)"])
def test_one_that_never_ends_is_disabled(tmp_path: Path, source: str):
    (tmp_path / "slow.py").write_text(source)
    (tmp_path / "fine.py").write_text(EXPORTER.format(name="fine"))
    manager = PluginManager(tmp_path, packages=False, seconds=4)
    assert manager.plugins[-1].reason == "importing it took longer than 4 s."
    assert manager.exporter("fine")


def test_one_that_talks_and_leaves_threads_is_fine(tmp_path: Path):
    talk = "import threading, time\nprint('{}')\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    assert load(tmp_path, talk + EXPORTER.format(name="null"))[1].enabled


def test_none_is_imported_here(tmp_path: Path):
    load(tmp_path, EXPORTER.format(name="null") + "import sys; sys.plugin_was_here = True")
    assert not hasattr(sys, "plugin_was_here") and "farm_plugin_mine" not in sys.modules


def test_verdicts_are_remembered_until_a_file_changes(tmp_path: Path):
    folder, memory, log = tmp_path / "plugins", tmp_path / "memory.json", tmp_path / "log"
    pack = folder / "pack"
    pack.mkdir(parents=True)
    (pack / "soft.toml").write_text('name = "Soft"\ndescription = "d"\n[values]\ngs = 3\n')
    note = f"open({str(log)!r}, 'a').write('x')\n"
    (pack / "__init__.py").write_text(
        note + "from pathlib import Path\nfrom plugins import hookimpl\n"
        "@hookimpl\ndef farm_presets():\n    return [Path(__file__).parent]\n"
    )
    (folder / "needs.py").write_text(note + f"open({str(tmp_path / 'wanted')!r})")

    def probed(again: bool = False) -> tuple[int, PluginManager]:
        log.write_text("")
        manager = PluginManager(folder, packages=False, memory=memory, again=again)
        return len(log.read_text()), manager

    assert probed()[0] == 2
    count, manager = probed()
    assert count == 0 and manager.presets.get("soft").values == {"gs": 3.0}
    assert "FileNotFoundError" in manager.plugins[1].reason
    (tmp_path / "wanted").touch()
    count, manager = probed(again=True)
    assert count == 1 and manager.plugins[1].enabled
    (pack / "soft.toml").write_text('name = "Soft"\ndescription = "d"\n[values]\ngs = 30\n')
    count, manager = probed()
    assert count == 1 and manager.presets.get("soft").values == {"gs": 30.0}
    memory.write_text("{broken")
    assert probed()[0] == 2


def test_two_of_the_same_name_first_one_stays(tmp_path: Path):
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "__init__.py").write_text(EXPORTER.format(name="one"))
    manager, _ = load(tmp_path, EXPORTER.format(name="two"), "twin")
    assert [info.enabled for info in manager.plugins] == [True, True, False]
    assert "already called 'twin'" in manager.plugins[-1].reason


def test_installed_package_is_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "farm_null.py").write_text(EXPORTER.format(name="null"))
    info = tmp_path / "farm_null-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farm-null\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[farm.plugins]\nnull = farm_null\ngone = farm_gone\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.metadata.version("farm-null") == "1.2"
    found = {plugin.name: plugin for plugin in PluginManager().plugins}
    assert found["null"] == PluginInfo("null", "package farm-null", "1.2", offers=("exporter null",))
    assert not found["gone"].enabled
