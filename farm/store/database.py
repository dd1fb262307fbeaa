"""The database: an engine, its transactions and migrations. SQLite in WAL mode, or PostgreSQL through psycopg."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import DatabaseError as SqlDatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from farm.errors import DatabaseError, InputError, StorageError

from .turns import Turns

P = ParamSpec("P")
R = TypeVar("R")

EXPECTED_URL = "sqlite:////absolute/path or postgresql://user@host/database"
POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 32}
"""Enough connections for every worker thread of a web server."""
BUSY_TIMEOUT_S = 30.0
"""How long a SQLite transaction waits for another process's transaction."""
WAL_PAUSE_S = 0.02
RETRY_DELAYS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Pauses before a transaction that a broken connection or a deadlock undid is run again."""
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x6661726D
"""PostgreSQL advisory lock under which one process at a time migrates."""

_log = logging.getLogger(__name__)


class Database:
    """Runs functions of a connection as transactions. Thread-safe.

    ``url``: ``sqlite:////absolute/path``, or ``postgresql://user@host/database``.

    Raises:
        InputError: the URL can't be used.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._name = self._engine.url.render_as_string(hide_password=True)
        self._turns = Turns(self._write_each) if self._engine.dialect.name == "sqlite" else None

    def write(self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work(connection, ...)`` in one transaction that may write, and commit it.

        Run again, with growing pauses, when the connection broke or the database chose it as a deadlock's victim;
        ``work`` therefore has no effects outside the database that can't be repeated.

        Raises:
            DatabaseError: the database is away or too busy, for now.
            StorageError: it is full, read-only, or not ours.
        """
        (outcome,) = self.write_each([lambda connection: work(connection, *args, **kwargs)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def write_each(self, works: Sequence[Callable[[Connection], R]]) -> list[R | Exception]:
        """As ``write``, many in one transaction; for each its result, or the exception that it alone raised.

        On SQLite, where there is one writer at a time, works of other threads may be done in the same transaction.
        """
        return self._turns.take(works) if self._turns else self._write_each(works)

    def _write_each(self, works: Sequence[Callable[[Connection], R]]) -> list[R | Exception]:
        """All in one transaction; should that fail, each in one of its own: the trouble of one is its own."""
        try:
            return list(self._run(False, lambda connection: [work(connection) for work in works]))
        except Exception as error:  # noqa: BLE001 - it is told to whom it concerns
            if len(works) == 1 or isinstance(error, DatabaseError):  # who is away now is so for all
                return [error] * len(works)
            return [outcome for work in works for outcome in self._write_each([work])]

    def read(self, work: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work(connection, ...)`` in one transaction that only reads, on one snapshot."""
        return self._run(True, lambda connection: work(connection, *args, **kwargs))

    def migrate(self) -> None:
        """Bring the tables to the newest revision; safe when several processes start at once."""
        self.write(_migrate)

    def close(self) -> None:
        self._engine.dispose()

    def _run(self, reading: bool, work: Callable[[Connection], R]) -> R:
        options: dict[str, Any] = {"farm_reading": reading}
        if reading and self._engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        for delay in (*RETRY_DELAYS_S, None):
            try:
                with self._engine.connect().execution_options(**options) as connection, connection.begin():
                    return work(connection)
            except PoolTimeoutError as error:
                raise DatabaseError(f"the database {self._name} is too busy: no connection became free.") from error
            except DBAPIError as error:
                if not _is_storage(error):
                    raise
                if delay is None or not _passes(error):
                    raise self._storage_error(error) from error
                _log.warning("database %s: %s; trying again in %.1f s", self._name, _reason(error), delay)
                time.sleep(delay)
        raise AssertionError("unreachable")

    def _storage_error(self, error: DBAPIError) -> StorageError:
        if _lacks_tables(error):
            return StorageError(
                f"the database {self._name} has no tables yet, or those of an older farm; run `farm up`."
            )
        kind = StorageError if _lasts(error) else DatabaseError
        return kind(
            f"the database {self._name} can't be used: {_reason(error)}. "
            "Check that it is running, writable and has free space; FARM_DATABASE_URL names it."
        )


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(f"can't read the database URL; expected {EXPECTED_URL}.") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 5}, **POOL)
    if parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise InputError(f"can't use the database {parsed.render_as_string()!r}; expected {EXPECTED_URL}.")
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}, **POOL)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    _use_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    """Of a new file, too, to which another process turns at the same moment: for that alone SQLite does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(WAL_PAUSE_S)


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start, so that a transaction never fails half-way for having read first."""
    reading = connection.get_execution_options().get("farm_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(f"the database was made by a newer farm, or is not one of ours: {error}.") from error


def _is_storage(error: DBAPIError) -> bool:
    """Whether the database is at fault, and not a statement or its values."""
    if isinstance(error, (OperationalError, InterfaceError)) or type(error) is SqlDatabaseError or _lacks_tables(error):
        return True
    return getattr(error.orig, "sqlstate", None) == "25006"  # a read-only standby


def _lacks_tables(error: DBAPIError) -> bool:
    missing = getattr(error.orig, "sqlstate", None) in ("42P01", "42703")
    return missing or str(error.orig).startswith(("no such table", "no such column"))


def _lasts(error: DBAPIError) -> bool:
    """Whether somebody has to mend it: a disk that is full or can't be written, and not a server that is away."""
    if getattr(error.orig, "sqlstate", None) in ("53100", "25006"):
        return True
    return any(words in str(error.orig).lower() for words in ("is full", "readonly", "disk i/o", "unable to open"))


def _passes(error: DBAPIError) -> bool:
    """Whether the transaction was undone by something that passes: a lost connection, a restart, a deadlock.

    Not by SQLite's lock, for which the driver has waited already.
    """
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state[:2] == "08" or state in ("40001", "40P01", "57P01", "57P02", "57P03", "53300")
    message = str(error.orig).lower()
    lasting = ("authentication", "does not exist", "no password", "translate host name", "resolve")
    return any(word in message for word in ("connection", "closed", "terminat")) and not any(
        word in message for word in lasting
    )


def _reason(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error.orig).__name__
