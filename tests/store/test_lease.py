"""One farm at a time works on a database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from farm.errors import ConflictError
from farm.store import lease, rows, tables
from farm.store.jobs import JobStore


@pytest.fixture
def store(database_url: str) -> JobStore:
    made = JobStore(database_url)
    made.migrate()
    return made


def let_pass(store: JobStore, seconds: float) -> None:
    """Have the lease end ``seconds`` earlier."""

    def earlier(connection):  # type: ignore[no-untyped-def]
        until = rows.now() + timedelta(seconds=lease.SECONDS - seconds)
        connection.execute(update(tables.leases).values(until=until))

    store._database.write(earlier)


def test_a_second_farm_is_refused_and_told_who_has_it(store: JobStore) -> None:
    assert store.take_lease("a", "that of /home/a on studio") == 1
    assert store.take_lease("a", "that of /home/a on studio") == 1
    with pytest.raises(ConflictError, match=r"another farm, that of /home/a on studio; .*FARM_DATABASE_URL"):
        store.take_lease("b", "that of /home/b on laptop")
    let_pass(store, lease.SECONDS - 1)
    with pytest.raises(ConflictError):
        store.take_lease("b", "that of /home/b on laptop")


def test_a_lease_that_ran_out_or_was_dropped_goes_to_the_next_with_a_higher_number(store: JobStore) -> None:
    store.take_lease("a", "a")
    let_pass(store, lease.SECONDS + 1)
    assert store.take_lease("b", "b") == 2
    with pytest.raises(ConflictError):
        store.take_lease("a", "a")
    store.drop_lease("a")
    with pytest.raises(ConflictError):
        store.take_lease("a", "a")
    store.drop_lease("b")
    assert store.take_lease("a", "a") == 3


def test_of_many_at_once_one_gets_it(store: JobStore) -> None:
    def tried(holder: str) -> bool:
        try:
            store.take_lease(holder, holder)
        except ConflictError:
            return False
        return True

    names = [f"farm-{index}" for index in range(8)]
    taking: Callable[[str], bool] = tried
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taking, names)) == 1
