"""What the benchmarks of the cluster share: databases that nobody else uses, and how many measurements are told in two
numbers."""

import math
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError

from farm.errors import InputError
from farm.processes import SCRATCH
from farm.store.database import Database


@dataclass(frozen=True)
class Spread:
    """``median`` and ``p99`` of ``count`` measurements; of fewer than a hundred, ``p99`` is the largest."""

    count: int
    median: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Zeros for no measurements."""
        if not values:
            return cls(0, 0.0, 0.0)
        ordered = sorted(values)
        return cls(len(ordered), statistics.median(ordered), ordered[math.ceil(0.99 * len(ordered)) - 1])


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder; what a killed process leaves of it is removed by the next farm on this machine."""
    prefix = f"{SCRATCH}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def scratch_database(folder: Path, server: str | None = None) -> Iterator[str]:
    """URL of an empty database: a SQLite file in ``folder``, or a schema on a PostgreSQL server, dropped afterwards.

    Args:
        folder: of the SQLite file.
        server: URL of a PostgreSQL database in which a schema may be created; what it holds is not touched.

    Raises:
        InputError: ``server`` is no PostgreSQL URL.
        StorageError: the server can't be used.
    """
    name = f"farm_bench_{uuid4().hex}"
    if server is None:
        yield f"sqlite:///{folder / name}.sqlite3"
        return
    try:
        url = make_url(server)
    except ArgumentError:
        raise _no_server(server) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise _no_server(url.render_as_string())
    options = f"{url.query.get('options', '')} -csearch_path={name}".strip()
    own = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    database = Database(server)
    try:
        database.write(lambda connection: connection.execute(text(f"CREATE SCHEMA {name}")))
        try:
            yield own
        finally:
            database.write(lambda connection: connection.execute(text(f"DROP SCHEMA {name} CASCADE")))
    finally:
        database.close()


def _no_server(url: str) -> InputError:
    return InputError(
        f"database {url!r}: expected postgresql://user@host/database; without one, a temporary SQLite file is used."
    )
