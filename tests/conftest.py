"""Fixtures for all tests: a private home, and a database of each kind."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from farm.settings import Settings
from tests.support import postgres

ENVIRONMENT = ("FARM_HOME", "FARM_DATABASE_URL", "FARM_ARTIFACTS_URL", "FARM_URL", "FARM_TOKEN", "FARM_DEBUG")


@pytest.fixture(autouse=True)
def farm_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``FARM_HOME`` for this test alone (not created yet), so that no test ever sees the user's."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("FARM_HOME", str(home))
    return home


@pytest.fixture
def settings(farm_home: Path) -> Settings:
    """Settings of the private home, which exists."""
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
