from collections.abc import Iterator

import pytest

from farm.store.jobs import JobStore


@pytest.fixture
def store(database_url: str) -> Iterator[JobStore]:
    """An empty job store; the test runs once on SQLite and once on PostgreSQL."""
    store = JobStore(database_url)
    store.migrate()
    yield store
    store.close()
