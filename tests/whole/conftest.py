"""`farm up` as users run it, once for all tests of this folder: they do it harm and it comes back."""

import os
import tempfile
from collections.abc import Iterator
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
def model(request: pytest.FixtureRequest) -> None:
    """The tiny one; with ``FARM_TEST_MODEL=bundled`` that which comes with the farm, so that pictures show some."""
    if os.environ.get("FARM_TEST_MODEL") != "bundled":
        request.getfixturevalue("tiny")


@pytest.fixture(scope="session")
def service(model: None, outside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A farm that runs for the tests of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        settings = Settings.for_home(tmp_path_factory.mktemp("service") / "home")
        patch.setenv("FARM_HOME", str(settings.home))
        patch.setenv("HOME", str(outside / "user"))
        patch.setenv("TMPDIR", str(outside / "tmp"))
        with running_service(settings) as running:
            yield running
        assert not list((outside / "tmp").iterdir())
