"""From every earlier revision to this one, with the rows of an earlier home, on both databases."""

import json
import sqlite3
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, insert, text

from farm.jobs.nodes import NodeChange, NodeFacts
from farm.jobs.owners import OwnerChange
from farm.store.database import MIGRATIONS, Database
from farm.store.jobs import JobStore

HOME = Path(__file__).parent / "homes" / "first.tar.xz"
FIRST, BEFORE_NODES = "0001", "0004"


def upgrade(database: Database, revision: str) -> None:
    def run(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, revision)

    database.write(run)


def earlier_rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Of the home of version 0.1, by table, in an order in which they can be put in."""
    with tarfile.open(HOME) as archive:
        archive.extractall(folder, filter="data")
    connection = sqlite3.connect(folder / "farm.sqlite3")
    connection.row_factory = sqlite3.Row
    names = ("jobs", "tasks", "dependencies", "attempts", "artifacts", "events", "replicas")
    return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}


def put(database: Database, found: dict[str, list[dict[str, Any]]]) -> None:
    def run(connection: Connection) -> None:
        known = MetaData()
        known.reflect(connection)
        for name, rows in found.items():
            for row in rows:
                connection.execute(insert(known.tables[name]).values(**{k: _value(k, v) for k, v in row.items()}))

    database.write(run)


def _value(column: str, value: Any) -> Any:
    if column == "data" and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, str) and (column.endswith("_at") or column == "at"):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


@pytest.mark.parametrize("since", [FIRST, "0002", "0003", BEFORE_NODES])
def test_an_earlier_home_goes_on_with_nodes_and_owners(database_url: str, tmp_path: Path, since: str) -> None:
    database, store = Database(database_url), JobStore(database_url)
    upgrade(database, FIRST)
    put(database, earlier_rows(tmp_path / "home"))
    upgrade(database, since)
    store.migrate()
    jobs = store.list_jobs()[0]
    assert len(jobs) == 6 and all(job.labels == () and not job.trouble for job in jobs)
    assert all(job.preset and job.job_order.export.exporter == "mp4" for job in jobs)
    assert {job.name for job in store.queued()} == {"half", "pending"} and store.reconcile() == []
    assert store.nodes() == [] and store.wishes(-1).newest == -1
    store.put_facts([NodeFacts("studio-1", "n")])
    assert store.change_node("studio-1", NodeChange(labels=["a"])).settings.labels == ("a",)
    assert store.change_owner("local", OwnerChange(weight=3)).weight == 3
    store.close()
    database.close()


def test_owners_and_replicas_of_the_last_revision_are_kept(database_url: str) -> None:
    database, store = Database(database_url), JobStore(database_url)
    upgrade(database, BEFORE_NODES)
    moment = "'2026-01-01 00:00:00+00'" if "postgresql" in database_url else "'2026-01-01 00:00:00'"
    database.write(
        lambda c: [
            c.execute(text("INSERT INTO owners (name, weight, used, task_limit) VALUES ('ann', 2, 7, 3)")),
            c.execute(
                text(
                    "INSERT INTO replicas (id, node, device, device_class, state, message, data, started_at, seen_at)"
                    f" VALUES ('r', 'n', 'CPU', 'CPU', 'idle', '', '{{}}', {moment}, {moment})"
                )
            ),
        ]
    )
    store.migrate()
    (owner,), (replica,) = store.owners(), store.replicas()
    assert (owner.weight, owner.used, owner.limit) == (2, 7, 3)
    assert (replica.host, replica.wanted, replica.memory, replica.loads) == ("", "active", None, [])
    assert [found.name for found in store.wishes(-1).owners] == ["ann"]
    store.close()
    database.close()


def test_they_can_be_taken_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'farm.sqlite3'}")
    database.migrate()

    def down(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.downgrade(config, BEFORE_NODES)

    database.write(down)
    database.migrate()
    database.close()
