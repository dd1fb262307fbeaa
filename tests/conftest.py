"""For every test: the user's own farm is out of reach, Ray reports nothing to anyone; a home and databases to use."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from farm.settings import Settings
from tests.support import postgres
from tests.support.tiny import tiny_checkpoint

HOME = pytest.StashKey[Path]()
SHARED = pytest.StashKey[dict[str, object]]()
LAST = pytest.StashKey[Path]()
TESTS = Path(__file__).parent
RAY_FOLDERS = ("afar", "chaos", "cluster", "hosts", "service", "whole")
RAY_FILES = (
    *(
        "api/test_serve.py",
        "cli/test_bench_cluster.py",
        "cli/test_bench_farm.py",
        "cli/test_bench_stream.py",
        "cli/test_bench_video.py",
    ),
    *("cli/test_service.py", "test_processes.py", "plugins/exporters/test_process.py"),
)
OURS, OURS_BEGIN = ("HOME", "TMPDIR"), ("FARM_", "AWS_")
"""Variables that change what other tests do."""
"""Where tests start Ray, or share what does, or mind what replicas of it sweep away when they start."""


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("FARM_") and not name.startswith("FARM_TEST_")]:
        del os.environ[name]
    config.stash[HOME] = Path(tempfile.mkdtemp(prefix="farm-tests-"))
    os.environ["FARM_HOME"] = str(config.stash[HOME] / "home")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several workers share the tests: see ``group_of``. (xdist's own groups by marks want an older pytest.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


def group_of(nodeid: str) -> str:
    """Tests of one group are one worker's: all that start Ray, one after the other; else those of a file, or of a
    folder that shares a farm."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    folder = file.partition("/")[0]
    if file in RAY_FILES or folder in RAY_FOLDERS:
        return "ray"
    return folder if folder == "dashboard" else file


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("ray") and group_of(item.nodeid) != "ray":
        raise pytest.UsageError(f"{item.nodeid} starts Ray; name its file in RAY_FILES of tests/conftest.py")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a file's tests set is gone before those of the next: fixtures of the whole session may set nothing."""
    if item.config.stash.get(LAST, None) != item.path:
        item.config.stash[LAST] = item.path
        ours = [name for name in os.environ if name in OURS or (name.startswith(OURS_BEGIN) and "_CHILD_" not in name)]
        shared: dict[str, object] = {name: os.environ[name] for name in ours}
        shared["__main__"] = getattr(sys.modules["__main__"], "__file__", None)
        before: dict[str, object] = item.config.stash.setdefault(SHARED, shared)
        assert shared == before, "an earlier file left the environment changed"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, for all tests of this process to read."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def farm_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``FARM_HOME`` for this test alone, not created yet."""
    home = tmp_path / "home"
    monkeypatch.setenv("FARM_HOME", str(home))
    return home


@pytest.fixture
def settings(farm_home: Path) -> Settings:
    """Settings of this test's own home, which exists."""
    return Settings.from_environment().ensure_home()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL database."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.server())
        except postgres.NoServerError as error:
            pytest.skip(f"no PostgreSQL: {error}")
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty schema on a PostgreSQL server."""
    with postgres.schema(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database; the test runs once for each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'farm.sqlite3'}"
