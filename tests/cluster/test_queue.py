"""What has changed is read once, also where lines of history appear out of order."""

from pathlib import Path

from sqlalchemy import insert

from farm.cluster.board import Board
from farm.cluster.queue import QueueReader
from farm.jobs.events import EventKind
from farm.store import tables as t
from farm.store.database import Database
from farm.store.jobs import JobStore
from farm.store.rows import now
from tests.support.jobs import submit


def test_each_change_is_read_once_and_a_late_line_is_not_missed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'farm.sqlite3'}"
    store = JobStore(url)
    store.migrate()
    first, second = submit(store), submit(store)
    reader = QueueReader(store, Board())

    def asked() -> set[str]:
        reader.look()
        news = reader.read()
        reader.apply(news)
        return {job.id for job in news.found} if news.asked is None else set(news.asked)

    def write(line: int, job_id: str) -> None:
        values = {"id": line, "job_id": job_id, "at": now(), "kind": EventKind.JOB_STARTED, "message": "", "data": {}}
        Database(url).write(lambda connection: connection.execute(insert(t.events).values(values)))

    assert asked() == {first.id, second.id} and reader.changed
    write(1000, first.id)
    assert asked() == {first.id} and reader.changed
    assert asked() == set() and not reader.changed
    write(900, second.id)
    assert asked() == {second.id} and reader.changed
    reader.again({first.id})
    assert asked() == {first.id} and not reader.changed
