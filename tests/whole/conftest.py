"""`farm up` as users run it, once for all tests of this folder: they do it harm and it comes back."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from farm.settings import Settings
from tests.support.farms import tiny
from tests.support.services import Service, running_service

__all__ = ["tiny"]


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """Holds ``user`` and ``tmp``, which are home and temporary folder of the user whose farm runs."""
    with tempfile.TemporaryDirectory(prefix="out-", dir="/tmp") as folder:  # Ray's sockets need a short path
        for name in ("user", "tmp"):
            (Path(folder) / name).mkdir()
        yield Path(folder)


@pytest.fixture(scope="session")
def environment(outside: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of that user. The model is the tiny one; with ``FARM_TEST_MODEL=bundled`` that which comes with the
    farm, so that pictures show some."""
    found = {
        "FARM_HOME": str(tmp_path_factory.mktemp("service") / "home"),
        "HOME": str(outside / "user"),
        "TMPDIR": str(outside / "tmp"),
    }
    bundled = os.environ.get("FARM_TEST_MODEL") == "bundled"
    return found if bundled else {**found, "FARM_PUPPET_PATH": str(tiny_folder)}


@contextmanager
def as_the_user(environment: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def started(environment: dict[str, str], outside: Path) -> Iterator[Service]:
    with ExitStack() as running:
        with as_the_user(environment):
            service = running.enter_context(running_service(Settings.for_home(Path(environment["FARM_HOME"]))))
        yield service
        with as_the_user(environment):
            running.close()
    assert not list((outside / "tmp").iterdir())


@pytest.fixture(scope="module")
def service(environment: dict[str, str], started: Service) -> Iterator[Service]:
    """A farm that runs for the tests of this folder."""
    with as_the_user(environment):
        yield started
