"""What no decision waits for: rows that contradict each other are mended, owners' use is noted, old files go."""

import asyncio
import logging
import time

from farm.retention.logs import log_sizes
from farm.retention.sweep import keep_of, sweep
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore

from .board import Board

RECONCILE_SECONDS = 60.0
TIDY_SECONDS = 600.0

log = logging.getLogger(__name__)


class Housekeeping:
    """See the module. ``tidies``: whether old files are its business."""

    def __init__(
        self, settings: Settings, store: JobStore, artifacts: ArtifactStore, board: Board, tidies: bool
    ) -> None:
        self._store, self._artifacts, self._board = store, artifacts, board
        self._settings, self._keep, self._tidies = settings, keep_of(settings), tidies
        self._reconciled = self._tidied = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._reconciled >= RECONCILE_SECONDS

    async def mend(self) -> None:
        """Settle rows that contradict each other."""
        self._reconciled = time.monotonic()
        for line in await asyncio.to_thread(self._store.reconcile):
            log.warning("reconciled: %s", line)

    async def keep_house(self) -> None:
        """All of it."""
        await self.mend()
        await asyncio.to_thread(self._store.put_owners, self._board.owners)
        if self._tidies and time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            await asyncio.to_thread(self._sweep)
            await asyncio.to_thread(self._store.forget_old)

    def _sweep(self) -> None:
        """Logs are measured only where there is a budget, which they are part of: of object stores that lists all."""
        limited = self._keep.budget is not None
        beside = sum(log_sizes(self._settings, self._artifacts).values()) if limited else 0
        sweep(self._store, self._artifacts, self._keep, beside=beside)
