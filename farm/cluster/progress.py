"""How far attempts are: kept in memory as replicas say it, and written now and then, all in one transaction."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from farm.store.jobs import JobStore

from .members import Held, Member, Members

FLUSH_SECONDS = 0.2
"""Least time between two writings."""

log = logging.getLogger(__name__)


class Progress:
    """See the module. What is not written yet when an attempt ends is written with its end; of one that has no row yet,
    once it has one."""

    def __init__(self, store: JobStore, members: Members) -> None:
        self._store, self._members = store, members
        self._next = 0.0
        self._holders: dict[str, Member] = {}

    def hear(self, attempt_id: str, step: int, steps: int) -> bool:
        """A replica says how far an attempt is, by step 0 of 0 that it has begun; False when nobody wants it."""
        held = self._held(attempt_id)
        if held is None:
            return False
        held.heard = time.monotonic()
        held.step, held.steps = max(held.step, step), steps
        held.taken_up = held.taken_up if steps else datetime.now(UTC)
        held.news = True
        return not held.stale

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._next

    async def flush_in_time(self) -> None:
        """Write what is new as soon as it is due."""
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        await self.flush()

    async def flush(self) -> None:
        """Write what is new; who is not current any more hears of it at its next report."""
        self._next = time.monotonic() + FLUSH_SECONDS
        members = self._members.all()
        self._holders = {attempt: each for each in members for attempt in each.attempts}
        news = [held for each in members for held in each.held if held.news and not held.early]
        if not news:
            return
        news.sort(key=lambda held: held.attempt)
        for held in news:
            held.news = False
        outcomes = await asyncio.to_thread(self._store.report_all, [held.reached for held in news])
        for held, current in zip(news, outcomes, strict=True):
            held.stale = held.stale or current is False
            if isinstance(current, Exception):
                held.news = True
                log.warning("progress of attempt %s: %s; it is written later", held.attempt, current)

    def _held(self, attempt_id: str) -> Held | None:
        """The attempt in a replica's hands; all are looked through only where the last writing did not meet it."""
        member = self._holders.get(attempt_id)
        if member is None or not member.holds(attempt_id):
            member = next((each for each in self._members.all() if each.holds(attempt_id)), None)
        return member.holds(attempt_id) if member else None
