"""Keeps a board's jobs as the rows have them, by reading what has changed only."""

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from farm.jobs.records import Attempt
from farm.jobs.request import RenderRequest
from farm.store.jobs import JobStore
from farm.store.nodes import Wishes
from farm.store.queue import QueuedJob

from .board import Board
from .calls import insist

OVERLAP_SECONDS = 5.0
"""Lines of history may appear out of order for so long where several processes write; they are read again."""
LOOK_SECONDS = 0.2
"""While results come in one after the other, it is asked this often what else has changed."""
ALL_SECONDS = 300.0
"""Time after which everything is read again, whatever was said to have changed."""
SLICE = 50
"""Jobs that a look reads of those, but for the first; no decision waits for more of them."""


@dataclass(frozen=True)
class News:
    """What a look at the rows found: the jobs that may run of those ``asked`` for, None for all; ``lines``: of history,
    those of the last seconds, None where it was not asked what has changed; ``left``: jobs that are still to be read
    again, ``anew``: from now on."""

    found: list[QueuedJob]
    asked: frozenset[str] | None
    newest: int
    wishes: Wishes | None = None
    lines: frozenset[int] | None = frozenset()
    left: tuple[str, ...] = ()
    anew: bool = False


class QueueReader:
    """Reads the queue, or one job of it, for a board. ``changed``: whether the last look found anything new."""

    def __init__(self, store: JobStore, board: Board, job_id: str | None = None) -> None:
        self._store, self._board, self._job_id = store, board, job_id
        self._marks: deque[tuple[float, int]] = deque()
        self._read_all = -ALL_SECONDS
        self._newest = -1
        self._seen: frozenset[int] = frozenset()
        self._next_look = 0.0
        self._again: set[str] = set()
        self._wished = -1
        self._left: tuple[str, ...] = ()
        self.changed = True

    def again(self, jobs: Collection[str]) -> None:
        """Have these jobs read at the next look, too."""
        self._again.update(jobs)

    async def likely_family(self) -> str:
        """The model that the next task will most likely need."""
        if self._job_id is not None:
            return (await insist(self._store.get_job, self._job_id)).family
        jobs, _ = await insist(self._store.list_jobs, limit=1)
        return jobs[0].family if jobs else str(RenderRequest.model_fields["model_type"].default)

    async def running(self) -> list[Attempt]:
        """The attempts that the rows say are running."""
        attempts = await insist(self._store.running_attempts)
        return [attempt for attempt in attempts if self._job_id in (None, attempt.job_id)]

    def look(self) -> None:
        """Have the next reading find what anybody has changed."""
        self._next_look = 0.0

    def read(self, jobs: Collection[str] = ()) -> News:
        """Read the rows of all jobs that have changed; where it is known of some ``jobs``, of all others only every so
        often. Changes nothing here, so it may run in another thread than the board's."""
        if self._newest < 0:
            newest = self._store.newest_change()
            only = None if self._job_id is None else [self._job_id]
            return News(self._store.queued(only), None, newest, self._store.wishes(self._wished))
        looked = not jobs or time.monotonic() >= self._next_look
        lines = self._store.changes(self._marks[0][1]) if looked else {}
        changed = {job_id for line, job_id in lines.items() if line not in self._seen}
        wishes = self._store.wishes(self._wished) if looked else None
        left, anew = self._left, time.monotonic() - self._read_all >= ALL_SECONDS
        if anew:
            left = tuple({*self._store.runnable(), *self._board.view.jobs})
        some, left = (left[:SLICE], left[SLICE:]) if looked else ((), left)
        asked = frozenset({*changed, *self._again, *jobs, *some})
        if self._job_id is not None:
            asked &= {self._job_id}
        found = self._store.queued(asked) if asked else []
        newest = max(lines, default=self._newest)
        return News(found, asked, newest, wishes, frozenset(lines) if looked else None, left, anew)

    def apply(self, news: News) -> None:
        """Bring the board up to date."""
        now = time.monotonic()
        self._again -= news.asked or set()
        if news.asked is None or news.anew:
            self._read_all = now
        self._left = news.left
        self.changed = news.asked is None
        if news.lines is not None:
            self._next_look = now + LOOK_SECONDS
            self.changed |= not news.lines <= self._seen
            self._seen = news.lines
        self._newest = max(self._newest, news.newest)
        self._marks.append((now, self._newest))
        while len(self._marks) > 1 and now - self._marks[1][0] > OVERLAP_SECONDS:
            self._marks.popleft()
        if news.wishes is not None:
            self._wished = news.wishes.newest
            self._board.put_wishes(news.wishes.nodes, news.wishes.owners)
        self._board.put_jobs(news.found, news.asked)
