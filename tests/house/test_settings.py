"""What the environment may say, and what happens when it says nonsense."""

import os
import re
import stat
from pathlib import Path

import platformdirs
import pytest

from farm.errors import InputError, StorageError
from farm.settings import DEFAULT_URL, Settings
from farm.store.artifacts import open_store
from farm.store.jobs import JobStore
from farm.variables import INTERNAL, VARIABLES, table, unknown
from model.kernels import Kernels
from model.settings import ModelSettings
from tests.support.disks import small_disk


def test_defaults_lie_in_the_user_data_folder():
    settings = Settings.from_environment({"FARM_HOME": "", "FARM_URL": "  "})
    assert settings.home == Path(platformdirs.user_data_dir("framepack-farm", appauthor=False))
    assert settings == Settings.for_home(settings.home)
    assert settings.url == DEFAULT_URL
    assert settings.token_path == settings.home / "token"


def test_everything_follows_the_home(farm_home: Path):
    settings = Settings.from_environment()
    assert settings.home == farm_home
    assert not farm_home.exists()
    folders = (settings.artifacts_dir, settings.logs_dir, settings.presets_dir, settings.plugins_dir, settings.run_dir)
    assert {folder.parent for folder in folders} == {farm_home}
    assert settings.ensure_home().ensure_home() is settings
    assert all(folder.is_dir() for folder in folders)
    assert stat.S_IMODE(farm_home.stat().st_mode) == 0o700


def test_home_with_odd_characters_works(tmp_path: Path):
    settings = Settings.from_environment({"FARM_HOME": str(tmp_path / "häuser & 50% #1?")}).ensure_home()
    store = JobStore(settings.database_url)
    store.migrate()
    store.close()
    open_store(settings).write("a/b", b"x")
    assert (settings.home / "farm.sqlite3").is_file()
    assert (settings.artifacts_dir / "a" / "b").read_bytes() == b"x"
    assert sorted(path.name for path in settings.home.iterdir() if path.is_dir()) == [
        "artifacts", "logs", "loras", "plugins", "presets", "run",
    ]  # fmt: skip


def test_explicit_values():
    settings = Settings.from_environment(
        {
            "FARM_HOME": "~/farm",
            "FARM_DATABASE_URL": "postgresql://farm@db/farm",
            "FARM_ARTIFACTS_URL": "s3://bucket/farm",
            "FARM_URL": "https://farm.example:8443/ ",
        }
    )
    assert settings.home == Path.home() / "farm"
    assert settings.database_url == "postgresql://farm@db/farm"
    assert settings.artifacts_url == "s3://bucket/farm"
    assert settings.url == "https://farm.example:8443"


def test_artifacts_may_be_a_plain_folder(tmp_path: Path):
    assert Settings.from_environment({"FARM_ARTIFACTS_URL": str(tmp_path)}).artifacts_url == tmp_path.as_uri()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FARM_DATABASE_URL", "farm.db", "expected sqlite:////absolute"),
        ("FARM_DATABASE_URL", "mysql://h/d", "expected sqlite:////absolute"),
        ("FARM_ARTIFACTS_URL", "relative/folder", "expected an absolute folder"),
        ("FARM_ARTIFACTS_URL", "pigeon://loft", "pigeon.*nothing is known.*Expected a folder"),
        ("FARM_ARTIFACTS_URL", "memory://farm", "memory is private to one process"),
        ("FARM_ARTIFACTS_URL", "ftp://host/folder", "FTP can't replace a file"),
        ("FARM_ARTIFACTS_URL", "http://", "expected a URL such as http://head:8000"),
        ("FARM_ARTIFACTS_URL", "s3://", "expected a folder or bucket"),
        ("FARM_ATTENTION", "cuddn", "attention backend in FARM_ATTENTION 'cuddn'. Did you mean 'cudnn'"),
        ("FARM_COMPILE", "often", "expected 0 or 1"),
        ("FARM_MATMUL", "fp4", "expected bf16 or fp8"),
        ("FARM_LORA_DIRS", "/loras:mine", "has 'mine'; expected absolute folders"),
        ("FARM_LORA_DIRS", __file__, "which is a file"),
        ("FARM_IDENTITY", "often", "expected 0 or 1"),
        ("FARM_CACHE_GB", "0", "expected a number of GB above 0"),
        ("FARM_ARTIFACTS_URL", "file://", "expected a folder or bucket"),
        ("FARM_URL", "localhost:8000", "expected a URL such as http://127.0.0.1:8000"),
        ("FARM_URL", "http://", "expected a URL"),
        ("FARM_URL", "http://h:99999", "expected a URL"),
        ("FARM_URL", "ftp://h", "expected a URL"),
        ("FARM_HOME", __file__, "which is a file"),
    ],
)
def test_unusable_values(name: str, value: str, expected: str):
    with pytest.raises(InputError, match=expected) as caught:
        Settings.from_environment({name: value})
    assert name in str(caught.value)


def test_password_of_an_unusable_url_is_not_shown():
    with pytest.raises(InputError) as caught:
        Settings.from_environment({"FARM_DATABASE_URL": "mysql://farm:hunter2@h/d"})
    assert "hunter2" not in str(caught.value)
    assert "mysql://farm@h/d" in str(caught.value)


def test_home_that_cannot_be_written(tmp_path: Path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        disk.remount("ro")
        with pytest.raises(StorageError, match=r"Read-only file system.*set FARM_HOME"):
            Settings.for_home(disk.path / "home").ensure_home()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="can't write to the farm's home"):
        Settings.for_home(tmp_path / "file" / "home").ensure_home()
    assert os.listdir(tmp_path / "disk") == []


ROOT = Path(__file__).parents[2]


def test_the_table_of_settings_is_current():
    assert table() in (ROOT / "docs" / "settings.md").read_text(), "python -m farm.variables prints it"


def test_every_variable_in_the_code_is_in_the_table():
    known = {variable.name for variable in VARIABLES} | INTERNAL
    for folder in ("farm", "plugins", "dashboard", "model"):
        for path in (ROOT / folder).rglob("*.py"):
            named = set(re.findall(r"\bFARM_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))
            assert {name for name in named if not name.endswith("_PATH")} <= known, path


def test_a_mistyped_variable_is_noticed():
    names = ("FARM_MEMORYPLAN", "FARM_HOME", "FARM_FRAMEPACK_F1_PATH", "FARM_XYZZY_42", "HOME")
    assert unknown(names) == {"FARM_MEMORYPLAN": "FARM_MEMORY_PLAN", "FARM_XYZZY_42": ""}


def test_another_node_has_its_own_way_to_the_artifacts(tmp_path: Path):
    head = Settings.for_home(tmp_path / "head")
    assert head.on_node({}) == head
    own = {
        "FARM_HOME": "/node",
        "FARM_ARTIFACTS_URL": "http://head:8000/",
        "FARM_NODE_TOKEN": "t",
        "FARM_CACHE_GB": "3",
    }
    models = {"FARM_ATTENTION": "math", "FARM_CPU_CLASS": "other", "FARM_PUPPET_PATH": "/weights"}
    there = head.on_node(own | models | {"FARM_DATABASE_URL": "not asked for"})
    assert there.model == ModelSettings(
        Path("/node"), {"FARM_PUPPET_PATH": Path("/weights")}, kernels=Kernels("math", cpu_class="other")
    )
    assert (there.home, there.artifacts_url, there.node_token, there.cache_gb) == (
        Path("/node"), "http://head:8000", "t", 3.0,
    )  # fmt: skip
    assert there.database_url == head.database_url


def test_whether_identity_is_measured_is_for_the_head_to_say():
    head = Settings.from_environment({"FARM_IDENTITY": "1"})
    assert head.identity and head.on_node({"FARM_IDENTITY": "0"}).identity
    assert not Settings.from_environment({"FARM_IDENTITY": "0"}).identity
