"""Model families of plug-ins: known by their facts alone, and rendered by a class that is imported where it renders."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.errors import InputError
from farm.settings import Settings
from model.facts import forget_family
from model.families import FAMILIES, describe, load
from plugins.families import ensure_family
from plugins.manager import PluginManager
from tests.support.machine import here
from tests.support.released import released_folder

PLUGIN = """
from pathlib import Path
from plugins import hookimpl
from plugins.families import Family

def renderer():
    from model.families.framepack.renderer import FramePackRenderer

    class Doll(FramePackRenderer):
        pass

    return Doll

@hookimpl
def farm_families():
    return [Family(Path(__file__).with_name("{name}.toml"), renderer)]
"""
FACTS = 'like = "framepack"\ntitle = "Paper dolls"\nmax_seconds = 20\n'


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test makes known is not known after it."""
    yield
    for name in ("paper-doll", "lame"):
        forget_family(name)


def write(home: Path, name: str = "paper-doll", facts: str = FACTS) -> Settings:
    settings = Settings.for_home(home).ensure_home()
    package = settings.plugins_dir / "dolls"
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN.format(name=name))
    (package / f"{name}.toml").write_text(facts)
    return settings


def test_a_plug_in_brings_a_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_PAPER_DOLL_PATH", str(released_folder(tmp_path / "parts")))
    settings = write(tmp_path / "home")
    with pytest.raises(InputError, match="unknown model family 'paper-doll'"):
        describe("paper-doll", here())
    manager = PluginManager(settings.plugins_dir, packages=False)
    (info,) = (info for info in manager.plugins if info.name == "dolls")
    assert info.enabled and info.offers == ("model family paper-doll",)
    assert (describe("paper-doll", here()).title, describe("paper-doll", here()).max_seconds) == ("Paper dolls", 20)
    assert "farm_plugin_dolls" not in sys.modules
    assert type(load("paper-doll", here())).__name__ == "Doll"
    again = PluginManager(settings.plugins_dir, packages=False)
    assert all(info.enabled for info in again.plugins)


def test_a_family_is_looked_for_when_a_job_names_it(tmp_path: Path) -> None:
    settings = write(tmp_path / "home")
    ensure_family("paper-doll", settings)
    assert "paper-doll" in FAMILIES


@pytest.mark.parametrize(
    ("name", "facts", "reason"),
    [
        ("puppet", FACTS, "a model family called 'puppet' exists already"),
        ("lame", 'title = "x"\n', "lack layout, orders, default_order, fps"),
        ("lame", "title", "can't be read"),
    ],
)
def test_one_that_can_not_be_used_is_disabled(tmp_path: Path, name: str, facts: str, reason: str) -> None:
    manager = PluginManager(write(tmp_path / "home", name, facts).plugins_dir, packages=False)
    (info,) = (info for info in manager.plugins if info.name == "dolls")
    assert not info.enabled and reason in info.reason
    assert "lame" not in FAMILIES
