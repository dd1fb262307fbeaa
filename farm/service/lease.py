"""Keeps the lease on the farm's database while it runs, so that no other farm works on it."""

import logging
import socket
import threading
from contextlib import suppress

from farm.errors import ConflictError, StorageError
from farm.settings import Settings
from farm.store.jobs import JobStore
from farm.tokens import ensure_token

RENEW_SECONDS = 5.0

log = logging.getLogger(__name__)


class DatabaseLease:
    """Used as a context manager. ``trouble``: why the farm must stop; empty while it may go on.

    A database that is away is no trouble: what can't be written there can't be by others either.

    Raises:
        ConflictError: another farm works on this database.
    """

    def __init__(self, settings: Settings) -> None:
        self._store = JobStore(settings.database_url)
        self._holder = ensure_token(settings.farm_id_path)[:40]
        self._about = f"that of {settings.home} on {socket.gethostname()}"[:200]
        self._ended = threading.Event()
        self._migrated = False
        self.trouble = ""

    def __enter__(self) -> "DatabaseLease":
        self._take()
        if self.trouble:
            raise ConflictError(self.trouble)
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        with suppress(StorageError):
            self._store.drop_lease(self._holder)
        self._store.close()

    def _take(self) -> None:
        try:
            if not self._migrated:
                self._store.migrate()
                self._migrated = True
            self._store.take_lease(self._holder, self._about)
        except ConflictError as error:
            self.trouble = str(error)
        except StorageError as error:
            log.warning("the lease on the database waits: %s", error)

    def _renew(self) -> None:
        while not self.trouble and not self._ended.wait(RENEW_SECONDS):
            self._take()
