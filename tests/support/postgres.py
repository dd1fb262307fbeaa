"""A PostgreSQL server for tests: the one that answers, else one started for this test session."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg

from .ports import free_port

DEFAULT_URL = "postgresql://postgres@127.0.0.1:5432/test"


class NoServerError(Exception):
    """Why there is no PostgreSQL to test with."""


@contextmanager
def server() -> Iterator[str]:
    """URL of a database on a running server: ``FARM_TEST_POSTGRESQL``, the usual port, or a server of our own."""
    url = os.environ.get("FARM_TEST_POSTGRESQL", DEFAULT_URL)
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError as error:
        with _started(str(error).splitlines()[0]) as own:
            yield own
    else:
        yield url


@contextmanager
def schema(url: str) -> Iterator[str]:
    """URL whose tables live in a schema of their own, dropped afterwards."""
    name = f"farm_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{url}?options={quote(f'-csearch_path={name}', safe='')}"
        finally:
            admin.execute(f"DROP SCHEMA {name} CASCADE")


@contextmanager
def _started(refusal: str) -> Iterator[str]:
    initdb = shutil.which("initdb") or next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[::-1]), None)
    if initdb is None:
        raise NoServerError(f"{refusal}; and there is no initdb to start one")
    user = None
    if os.getuid() == 0:  # the server refuses to run as root
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = next((name for name in ("postgres", "nobody") if name in names), None)
        if user is None:
            raise NoServerError(f"{refusal}; and as root there is no user to start one as")
    folder = Path(tempfile.mkdtemp(prefix="farm-postgres-"))
    control = Path(initdb).with_name("pg_ctl")
    try:
        if user:
            shutil.chown(folder, user)
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _run([initdb, "-D", folder / "data", "-U", "postgres", "-A", "trust", "-N"], user, folder)
        _run([control, "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start"], user, folder)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _run([control, "-D", folder / "data", "-m", "immediate", "-w", "stop"], user, folder)
    except subprocess.CalledProcessError as error:
        raise NoServerError(f"{refusal}; and starting one failed: {error.stderr[-300:]!r}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[object], user: str | None, folder: Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, user=user, cwd=folder, timeout=60)
