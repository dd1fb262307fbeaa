"""Keeps the board's jobs as the rows have them, by reading what has changed only."""

import asyncio
import time
from collections import deque

from farm.store.jobs import JobStore

from .board import Board

OVERLAP_SECONDS = 5.0
"""Lines of history may appear out of order for so long where several processes write; they are read again."""
ALL_SECONDS = 600.0
"""Time after which everything is read again, whatever was said to have changed."""


class QueueReader:
    """Reads the queue, or one job of it, into a board. ``changed``: whether the last look found anything new."""

    def __init__(self, store: JobStore, board: Board, job_id: str | None = None) -> None:
        self._store, self._board, self._job_id = store, board, job_id
        self._marks: deque[tuple[float, int]] = deque()
        self._read_all = -ALL_SECONDS
        self._newest = -1
        self.changed = True

    async def look(self) -> None:
        """Bring the board up to date."""
        now = time.monotonic()
        everything = now - self._read_all >= ALL_SECONDS
        if everything:
            self._read_all = now
            newest = await asyncio.to_thread(self._store.newest_change)
            only = None if self._job_id is None else [self._job_id]
            self._board.put_jobs(await asyncio.to_thread(self._store.queued, only))
            self._newest, self.changed = newest, True
            self._marks.append((now, newest))
            return
        while len(self._marks) > 1 and now - self._marks[1][0] > OVERLAP_SECONDS:
            self._marks.popleft()
        changes = await asyncio.to_thread(self._store.changes, self._marks[0][1])
        self.changed = changes.newest > self._newest
        self._newest = max(self._newest, changes.newest)
        self._marks.append((now, self._newest))
        jobs = changes.jobs if self._job_id is None else changes.jobs & {self._job_id}
        if jobs:
            self._board.put_jobs(await asyncio.to_thread(self._store.queued, jobs), jobs)
