"""``farm bench queue``: what one round of the coordinator takes with a long queue, beside the same with a short one.

The coordinator's own parts, real rows, no Ray: read what has changed, bring the board up to date, decide, look for a
result to take over, start an attempt, commit it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, insert, literal, select, text

from farm.intake.planning import plan_for
from farm.jobs.graph import tasks_for
from farm.jobs.records import Artifact, Attempt
from farm.jobs.request import RenderRequest
from farm.scheduling.records import SeatView
from farm.settings import Settings
from farm.store import tables as t
from farm.store.database import Database
from farm.store.jobs import JobStore
from farm.store.rows import load_job
from model.families import describe

from .benches import Spread, scratch_database, scratch_folder
from .board import Board
from .queue import QueueReader

FEW = 10
"""Jobs of the reference."""
ROUNDS = 30
SEATS = 8
SECONDS = 20.0
"""Length of each job's video."""
OWNERS = 10
BAR = 3.0
"""The round with the long queue should take no more than so many times the one with the short one."""
ROUND = ("read", "apply", "decide", "adopt", "start", "commit")
"""Its parts in order; a task that a commit made ready has started after the first five of the next round."""
_SHA = "0" * 64


@dataclass(frozen=True)
class QueueFigures:
    """In milliseconds. ``full_read``: reading all jobs, as a coordinator does when it starts;
    ``reconcile``: the sweep over all rows; ``ready_to_start``: from a commit to the end of the start after it;
    ``round``: that and the commit; ``parts``: of the round."""

    jobs: int
    tasks: int
    full_read: float
    reconcile: float
    round: Spread
    ready_to_start: Spread
    parts: dict[str, Spread]


@dataclass(frozen=True)
class QueueReport:
    """``ratio``: of the rounds' medians, many jobs over few."""

    database: str
    few: QueueFigures
    many: QueueFigures
    bar: float = BAR

    @property
    def ratio(self) -> float:
        return self.many.round.median / self.few.round.median


def bench_queue(
    jobs: int = 10_000,
    server: str | None = None,
    rounds: int = ROUNDS,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> QueueReport:
    """Measure both queues in turn, round by round, so that whatever else the machine does hits both.

    Args:
        jobs: in the long queue.
        server: a PostgreSQL database in which schemas may be created and dropped; default: temporary SQLite files.
        rounds: of each.
        on_phase: told what is being done.

    Raises:
        InputError: ``server`` is no PostgreSQL URL.
        StorageError: the database can't be used.
    """
    with scratch_folder() as folder, _subject(folder, server, FEW, on_phase) as few:
        with _subject(folder, server, jobs, on_phase) as many:
            on_phase(f"{rounds} rounds with each")
            for _ in range(rounds):
                few.round()
                many.round()
            return QueueReport("postgresql" if server else "sqlite", few.figures(), many.figures())


class _Subject:
    """A board over a queue of its own, and the milliseconds that things took there."""

    def __init__(self, store: JobStore, jobs: int, tasks: int) -> None:
        self._store, self._jobs, self._tasks = store, jobs, tasks
        self._board = Board()
        self._reader = QueueReader(store, self._board)
        self._times: dict[str, list[float]] = {part: [] for part in ROUND}
        self._full_read = self._timed(lambda: self._reader.apply(self._reader.read()))
        self._reconcile = self._timed(self._store.reconcile)
        for index in range(SEATS):
            self._board.put_seat(SeatView(f"seat-{index}", device_class="CPU"))

    def round(self) -> None:
        """One round of the coordinator, in which one attempt is started, and then committed."""
        marks = [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        news = self._reader.read()
        mark()
        self._reader.apply(news)
        mark()
        start = self._board.decide().starts[0]
        mark()
        task = self._board.take(start.task_id)
        assert task is not None
        self._store.made([self._board.key(task)])
        mark()
        (attempt,) = self._store.start_attempts([(task.id, start.seat_id, "CPU")])
        assert isinstance(attempt, Attempt)
        self._store.to_start_all([attempt])
        mark()
        self._store.commit_attempt(attempt.id, [], {"seconds": 0.1})
        mark()
        for part, (begun, ended) in zip(ROUND, pairwise(marks), strict=True):
            self._times[part].append(1000 * (ended - begun))

    def figures(self) -> QueueFigures:
        """Of all rounds so far."""
        each = list(zip(*(self._times[part] for part in ROUND), strict=True))
        return QueueFigures(
            self._jobs,
            self._tasks,
            self._full_read,
            self._reconcile,
            Spread.of([sum(times) for times in each]),
            Spread.of([sum(times[:-1]) for times in each]),
            {part: Spread.of(times) for part, times in self._times.items()},
        )

    @staticmethod
    def _timed(work: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        work()
        return 1000 * (time.perf_counter() - begun)


@contextmanager
def _subject(folder: Path, server: str | None, jobs: int, on_phase: Callable[[str], None]) -> Iterator[_Subject]:
    on_phase(f"making {jobs} jobs")
    with scratch_database(folder, server) as url:
        tasks = fill(url, jobs)
        on_phase(f"reading {jobs} jobs")
        store = JobStore(url)
        try:
            yield _Subject(store, jobs, tasks)
        finally:
            store.close()


def fill(url: str, jobs: int) -> int:
    """Make the tables of an empty database and put so many queued jobs in; returns the number of their tasks.

    One real job is created, the others are copies of its rows: of ten owners, a second apart, each with content
    addresses of its own.
    """
    request = RenderRequest(prompt="a puppet waves", image_sha256=_SHA, total_second_length=SECONDS)
    settings = Settings.from_environment().model
    plan, job_id = plan_for(request, settings=settings), uuid4().hex
    tasks = tasks_for(job_id, plan, describe(request.model_type, settings).decoding)
    store = JobStore(url)
    try:
        store.migrate()
        store.create_job(request, plan.digest(), tasks, [Artifact("image", f"jobs/{job_id}/image.png", 3, _SHA)])
    finally:
        store.close()
    database = Database(url)
    try:
        database.write(_copy_job, job_id, jobs - 1)
        database.write(_count)
    finally:
        database.close()
    return len(tasks) * jobs


def _count(connection: Connection) -> None:
    """What PostgreSQL does by itself within a minute of so many changes; until then it guesses how it best reads."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {', '.join(table.name for table in t.metadata.sorted_tables)}"))


def _copy_job(connection: Connection, job_id: str, copies: int) -> None:
    submitted = load_job(connection, job_id).created_at
    row = connection.execute(select(t.jobs).where(t.jobs.c.id == job_id)).one()._asdict()
    if copies:
        made = [
            {
                **row,
                "id": uuid4().hex,
                "owner": f"owner-{index % OWNERS}",
                "created_at": submitted + timedelta(seconds=index),
            }
            for index in range(copies)
        ]
        connection.execute(insert(t.jobs), made)
    copy, jobs = t.jobs.c, t.jobs.c.id != job_id

    def renamed(column: Any) -> Any:
        return func.replace(column, job_id, copy.id)

    tasks = {column.name: column for column in t.tasks.c}
    tasks |= {"id": renamed(t.tasks.c.id), "job_id": copy.id}
    needs = {column.name: renamed(column) for column in t.dependencies.c}
    files = {column.name: column for column in t.artifacts.c} | {"job_id": copy.id}
    lines = {column.name: column for column in t.events.c if column.name != "id"} | {"job_id": copy.id}
    for table, values, of_job in (
        (t.tasks, tasks, t.tasks.c.job_id == job_id),
        (t.dependencies, needs, t.dependencies.c.task_id.startswith(job_id)),
        (t.artifacts, files, t.artifacts.c.job_id == job_id),
        (t.events, lines, t.events.c.job_id == job_id),
    ):
        rows = select(*values.values()).select_from(table.join(t.jobs, jobs)).where(of_job)
        connection.execute(insert(table).from_select(list(values), rows))
    keys = func.substr(t.tasks.c.job_id, 1, 31).concat(literal(".")).concat(t.tasks.c.name)
    connection.execute(t.tasks.update().values(key=keys))
