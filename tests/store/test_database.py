"""The database underneath: migrations, lost connections, locks, full disks."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event, inspect, select, text
from sqlalchemy.exc import IntegrityError

from farm.errors import DatabaseError, InputError, StorageError
from farm.store import tables as t
from farm.store.database import Database
from farm.store.jobs import JobStore
from tests.support.disks import small_disk
from tests.support.jobs import audit, submit


@pytest.fixture
def database(database_url: str):
    database = Database(database_url)
    yield database
    database.close()


class TestMigrations:
    def test_give_exactly_the_tables(self, database: Database):
        database.migrate()

        def differences(connection: Connection) -> list[object]:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            found = compare_metadata(context, t.metadata)
            indexes = {i["name"] for name in t.metadata.tables for i in inspect(connection).get_indexes(name)}
            declared = {i.name for table in t.metadata.tables.values() for i in table.indexes}
            return [*found, *(declared - indexes)]

        assert database.write(differences) == []

    def test_again_changes_nothing(self, database: Database, store: JobStore):
        job = submit(store)
        store.migrate()
        assert store.get_job(job.id) == job

    def test_from_several_starting_processes(self, database_url: str):
        stores = [JobStore(database_url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(JobStore.migrate, stores))
        assert submit(stores[0]).id in {job.id for job in stores[1].list_jobs()[0]}
        for store in stores:
            store.close()

    def test_before_them_the_store_says_so(self, database_url: str):
        store = JobStore(database_url)
        with pytest.raises(StorageError, match="has no tables"):
            store.list_jobs()
        store.close()

    def test_of_a_newer_farm_are_left_alone(self, database: Database, store: JobStore):
        database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        with pytest.raises(StorageError, match="made by a newer farm"):
            store.migrate()


class TestUrls:
    @pytest.mark.parametrize("url", ["", "farm.db", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "oracle://h/d"])
    def test_unusable(self, url: str):
        with pytest.raises(InputError, match="sqlite:////absolute/path"):
            JobStore(url)

    def test_password_is_never_shown(self, monkeypatch: pytest.MonkeyPatch):
        with pytest.raises(InputError) as refused:
            JobStore("mysql://farm:hunter2@h/d")
        assert "hunter2" not in str(refused.value)
        monkeypatch.setattr("farm.store.database.RETRY_DELAYS_S", ())
        store = JobStore("postgresql://farm:hunter2@127.0.0.1:1/farm")
        with pytest.raises(StorageError, match=r"postgresql\+psycopg://farm:\*\*\*@127.0.0.1:1/farm") as caught:
            store.migrate()
        assert "hunter2" not in str(caught.value)

    def test_missing_folder(self, tmp_path: Path):
        with pytest.raises(StorageError, match="unable to open database file"):
            JobStore(f"sqlite:///{tmp_path / 'gone' / 'farm.sqlite3'}").migrate()

    def test_not_a_database(self, tmp_path: Path):
        (tmp_path / "farm.sqlite3").write_bytes(b"certainly no database" * 200)
        with pytest.raises(StorageError, match="file is not a database"):
            JobStore(f"sqlite:///{tmp_path / 'farm.sqlite3'}").migrate()


def test_sqlite_survives_power_loss_and_serves_readers_while_writing(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
        assert database.read(lambda c, sql=f"PRAGMA {pragma}": c.execute(text(sql)).scalar()) == value
    database.close()


def test_waits_for_another_process_s_transaction(tmp_path: Path):
    path = tmp_path / "farm.sqlite3"
    store = JobStore(f"sqlite:///{path}")
    store.migrate()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert store.list_jobs()[1] == 0  # reading does not wait
    threading.Timer(0.3, other.execute, ["COMMIT"]).start()
    submit(store)
    assert not other.in_transaction
    other.close()
    store.close()


def test_a_database_that_is_away_or_busy_is_told_from_one_to_be_mended(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("farm.store.database.RETRY_DELAYS_S", ())
    monkeypatch.setattr("farm.store.database.BUSY_TIMEOUT_S", 0.2)
    store = JobStore("postgresql://farm@127.0.0.1:1/farm")
    with pytest.raises(DatabaseError, match="can't be used") as away:
        store.list_jobs()
    assert away.value.status == 503
    path = tmp_path / "farm.sqlite3"
    busy = JobStore(f"sqlite:///{path}")
    busy.migrate()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match="locked"):
        submit(busy)
    other.close()
    with small_disk(tmp_path / "disk", "64k") as disk:
        full = JobStore(f"sqlite:///{disk.path / 'farm.sqlite3'}")
        with pytest.raises(StorageError) as lasting:
            full.migrate()
            for _ in range(100):
                submit(full)
        assert not isinstance(lasting.value, DatabaseError) and lasting.value.status == 507
        full.close()
    busy.close()
    store.close()


def test_lost_connection_runs_the_transaction_again(postgres_url: str):
    """The server ends the connection in the middle, as on its restart: nothing half-done stays."""
    database, store = Database(postgres_url), JobStore(postgres_url)
    store.migrate()
    job = submit(store)
    runs = []

    def rename(connection: Connection) -> None:
        runs.append(1)
        connection.execute(t.jobs.update().values(name=t.jobs.c.name + "x"))
        if len(runs) == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    database.write(rename)
    assert len(runs) == 2
    assert database.read(lambda connection: connection.execute(select(t.jobs.c.name)).scalar()) == "x"
    audit(store, job.id)
    database.close()
    store.close()


def test_every_idle_connection_lost_is_not_noticed(postgres_url: str):
    store = JobStore(f"{postgres_url}&application_name={postgres_url[-12:]}")
    store.migrate()
    job = submit(store)
    admin = Database(postgres_url)
    end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
    name = postgres_url[-12:]
    ended = admin.write(lambda connection: connection.execute(text(end_others), {"name": name}).all())
    assert ended
    assert store.get_job(job.id) == job
    admin.close()
    store.close()


class TestFullDisk:
    def test_says_so_keeps_what_was_there_and_recovers(self, tmp_path: Path):
        with small_disk(tmp_path / "disk", "512k") as disk:
            store = JobStore(f"sqlite:///{disk.path / 'farm.sqlite3'}")
            store.migrate()
            jobs = [submit(store)]
            with pytest.raises(StorageError, match=r"disk.*full.*free space") as caught:
                for _ in range(500):
                    jobs.append(submit(store, seconds=20))
            assert "\n" not in str(caught.value)
            assert store.list_jobs()[1] == len(jobs)
            audit(store, jobs[0].id)
            disk.remount("size=8m")
            jobs.append(submit(store, seconds=20))
            assert store.list_jobs()[1] == len(jobs)
            store.close()

    def test_read_only_disk(self, tmp_path: Path):
        with small_disk(tmp_path / "disk", "4m") as disk:
            store = JobStore(f"sqlite:///{disk.path / 'farm.sqlite3'}")
            store.migrate()
            store.close()
            disk.remount("ro")
            with pytest.raises(StorageError, match="can't be used"):
                submit(store)
            store.close()


class TestManyWrites:
    def test_the_trouble_of_one_is_its_own(self, database: Database, store: JobStore):
        job = submit(store)

        def rename(connection: Connection) -> str:
            connection.execute(t.jobs.update().values(name=t.jobs.c.name + "x"))
            return "renamed"

        def refuse(connection: Connection) -> str:
            connection.execute(t.jobs.update().values(name="refused"))
            raise ValueError("no")

        def misplace(connection: Connection) -> str:
            connection.execute(t.tasks.update().values(job_id="nobody"))
            return "misplaced"

        first, second, third, fourth = database.write_each([rename, refuse, misplace, rename])
        assert (first, fourth) == ("renamed", "renamed")
        assert isinstance(second, ValueError) and isinstance(third, IntegrityError)
        assert store.get_job(job.id).name == job.name + "xx"
        audit(store, job.id)

    def test_those_that_wait_for_sqlite_cost_one_transaction(self, tmp_path: Path):
        """Nobody asks the file again and again, as SQLite's own way of waiting is, which let some wait for ever."""
        database = Database(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
        database.migrate()
        begun, go_on, commits = threading.Event(), threading.Event(), []
        event.listen(database._engine, "commit", commits.append)

        def hold(connection: Connection) -> None:
            begun.set()
            assert go_on.wait(30)

        with ThreadPoolExecutor(10) as pool:
            writes = [pool.submit(database.write, hold)]
            assert begun.wait(30)
            writes += [pool.submit(database.write, lambda connection: None) for _ in range(8)]
            while len(database._turns._waiting) < 8:  # type: ignore[union-attr]
                threading.Event().wait(0.001)
            go_on.set()
            for each in writes:
                each.result(30)
        assert len(commits) == 2
        database.close()

    def test_one_that_is_interrupted_takes_nobody_along(self, tmp_path: Path):
        database = Database(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
        database.migrate()
        begun, go_on = threading.Event(), threading.Event()

        def interrupted(connection: Connection) -> None:
            begun.set()
            assert go_on.wait(30)
            raise KeyboardInterrupt

        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(database.write, interrupted)
            assert begun.wait(30)
            others = [pool.submit(database.write, lambda connection: "done") for _ in range(3)]
            go_on.set()
            assert isinstance(first.exception(30), KeyboardInterrupt)
            assert [each.result(30) for each in others] == ["done"] * 3
        database.close()
