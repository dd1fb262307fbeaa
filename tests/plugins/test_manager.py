"""The plug-in manager: what loads, what is disabled, and that nothing broken stops the farm."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from farm.errors import InputError
from farm.settings import Settings
from plugins.manager import PluginInfo, PluginManager, get_manager

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
    assert manager.plugins == [PluginInfo("built-in", "built-in", offers=("exporter mp4", "exporter contact-sheet"))]
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
        (EXPORTER.format(name="Null"), "must be lower case"),
        (EXPORTER.format(name="null").replace('".null"', '"null"'), "must start with a dot"),
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
    assert set(manager.exporters) == {"mp4", "contact-sheet"}, "nothing of it may stay"
    assert "Default" in manager.presets.presets


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
    sys.modules.pop("farm_null", None)
