"""Keeps a board's jobs as the rows have them, by reading what has changed only."""

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from farm.store.jobs import JobStore
from farm.store.nodes import NO_WISHES, Wishes
from farm.store.queue import QueuedJob

from .board import Board

OVERLAP_SECONDS = 5.0
"""Lines of history may appear out of order for so long where several processes write; they are read again."""
ALL_SECONDS = 300.0
"""Time after which everything is read again, whatever was said to have changed."""


@dataclass(frozen=True)
class News:
    """What a look at the rows found: the jobs that may run of those ``asked`` for, None for all."""

    found: list[QueuedJob]
    asked: frozenset[str] | None
    newest: int
    wishes: Wishes = NO_WISHES


class QueueReader:
    """Reads the queue, or one job of it, for a board. ``changed``: whether the last look found anything new."""

    def __init__(self, store: JobStore, board: Board, job_id: str | None = None) -> None:
        self._store, self._board, self._job_id = store, board, job_id
        self._marks: deque[tuple[float, int]] = deque()
        self._read_all = -ALL_SECONDS
        self._newest = -1
        self._again: set[str] = set()
        self._wished = -1
        self.changed = True

    def again(self, jobs: Collection[str]) -> None:
        """Have these jobs read at the next look, too."""
        self._again.update(jobs)

    def read(self) -> News:
        """Look at the rows; changes nothing, so it may run in another thread than the board's."""
        wishes = self._store.wishes(self._wished)
        if time.monotonic() - self._read_all >= ALL_SECONDS:
            newest = self._store.newest_change()
            only = None if self._job_id is None else [self._job_id]
            return News(self._store.queued(only), None, newest, wishes)
        changes = self._store.changes(self._marks[0][1])
        jobs = changes.jobs | self._again
        if self._job_id is not None:
            jobs &= {self._job_id}
        return News(self._store.queued(jobs) if jobs else [], jobs, changes.newest, wishes)

    def apply(self, news: News) -> None:
        """Bring the board up to date."""
        now = time.monotonic()
        self._again -= news.asked or self._again
        if news.asked is None:
            self._read_all = now
        self.changed = news.newest > self._newest
        self._newest = max(self._newest, news.newest)
        self._marks.append((now, self._newest))
        while len(self._marks) > 1 and now - self._marks[1][0] > OVERLAP_SECONDS:
            self._marks.popleft()
        self._wished = news.wishes.newest
        self._board.put_wishes(news.wishes.nodes, news.wishes.owners)
        self._board.put_jobs(news.found, news.asked)
