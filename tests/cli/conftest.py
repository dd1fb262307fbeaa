import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from farm.cli import main
from tests.support.api import LiveFarm, live_farm
from tests.support.ports import free_port
from tests.support.tiny import tiny_checkpoint


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process, as ``farm`` would."""

    def call(*args: object) -> Outcome:
        code = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module")
def served(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "FARM_PUPPET_PATH", str(checkpoint))
        with live_farm(tmp_path_factory.mktemp("farm") / "home") as farm:
            yield farm


@pytest.fixture
def farm(served: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> LiveFarm:
    """A served farm that the commands find through the environment."""
    monkeypatch.setenv("FARM_URL", served.url)
    monkeypatch.setenv("FARM_HOME", str(served.settings.home))
    return served


@pytest.fixture
def unused_port() -> int:
    """A port that nothing listens on."""
    return free_port()
