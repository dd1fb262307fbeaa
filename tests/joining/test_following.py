"""A node follows the plug-ins and presets of the head, and nobody else's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm.cluster.looking import look_around
from farm.errors import InputError
from farm.jobs.assets import Asset, AssetKind
from farm.joining.following import follow
from farm.joining.head import Head
from farm.settings import Settings
from farm.tokens import ensure_token
from model.brought import BroughtFile
from plugins.manager import get_manager
from tests.support.api import LiveFarm, live_farm

PLUGIN = Path(__file__).parents[2] / "examples" / "prores-plugin" / "farm_prores.py"
PRESET = Path(__file__).parents[2] / "examples" / "presets" / "slow-wave.toml"


@pytest.fixture
def served(farm_home: Path) -> Iterator[LiveFarm]:
    with live_farm(farm_home) as farm:
        yield farm


@pytest.fixture
def head(served: LiveFarm) -> Head:
    return Head(served.url, ensure_token(served.settings.node_token_path))


@pytest.fixture
def node(served: LiveFarm, tmp_path: Path) -> Settings:
    """The settings that a replica has there."""
    return served.settings.on_node({"FARM_HOME": str(tmp_path / "node")}).ensure_home()


def exporters(settings: Settings) -> list[Asset]:
    return sorted(asset for asset in look_around(settings).assets or () if asset.kind is AssetKind.EXPORTER)


def test_plug_ins_and_presets_are_there_as_they_are_on_the_head(served: LiveFarm, head: Head, node: Settings) -> None:
    (served.settings.plugins_dir / "farm_prores.py").write_bytes(PLUGIN.read_bytes())
    (served.settings.plugins_dir / "__pycache__").mkdir()
    (served.settings.plugins_dir / "__pycache__" / "x.pyc").write_bytes(b"x")
    (served.settings.presets_dir / PRESET.name).write_bytes(PRESET.read_bytes())
    assert exporters(node) == []
    assert follow(node, head) and not follow(node, head), "once, until something changes"
    assert exporters(node) == exporters(served.settings) != []
    manager = get_manager(node)
    assert manager.exporter("prores").extension == ".mov" and "Slow Wave" in manager.presets.presets
    assert not list(node.followed_dir.rglob("*.pyc"))


def test_a_change_comes_and_old_states_go(served: LiveFarm, head: Head, node: Settings) -> None:
    plugin = served.settings.plugins_dir / "farm_prores.py"
    for number in range(4):
        plugin.write_bytes(PLUGIN.read_bytes() + f"\n# {number}\n".encode())
        assert follow(node, head)
        assert exporters(node) == exporters(served.settings)
    assert len([path for path in node.followed_dir.iterdir() if not path.is_symlink()]) == 2
    plugin.unlink()
    assert follow(node, head) and exporters(node) == []


def test_the_heads_go_before_a_nodes_own(served: LiveFarm, head: Head, node: Settings) -> None:
    (served.settings.plugins_dir / "farm_prores.py").write_bytes(PLUGIN.read_bytes())
    (node.plugins_dir / "farm_prores.py").write_bytes(PLUGIN.read_bytes() + b"\n# its own\n")
    own = exporters(node)
    follow(node, head)
    assert exporters(node) == exporters(served.settings) != own


def test_a_head_follows_nobody(served: LiveFarm, head: Head, node: Settings) -> None:
    (served.settings.plugins_dir / "farm_prores.py").write_bytes(PLUGIN.read_bytes())
    follow(node, head)
    assert exporters(replace(node, follows=False)) == []


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "plugins/../../x.py", "loras/x.safetensors", "x.py"])
def test_names_lead_nowhere_else(node: Settings, head: Head, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "followed", lambda: [BroughtFile(name, 1, "0" * 64)])
    with pytest.raises(InputError, match="no place"):
        follow(node, head)
    assert not node.followed_dir.exists()


def test_nothing_is_run_that_is_not_what_the_head_said(
    served: LiveFarm, head: Head, node: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served.settings.plugins_dir / "farm_prores.py").write_bytes(PLUGIN.read_bytes())
    monkeypatch.setattr(head, "file", lambda sha256, first, size: iter([b"x" * size]))
    from farm.errors import StorageError

    with pytest.raises(StorageError, match="damaged"):
        follow(node, head)
    assert exporters(node) == [] and not list(node.followed_dir.rglob("*.py"))
