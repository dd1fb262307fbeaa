"""Stops replicas at attempts that nobody wants any more, because their job was cancelled."""

import asyncio
import time

from farm.store.jobs import JobStore

from .following import Follower
from .members import Members

AGAIN_SECONDS = 3.0
"""A replica that did not hear that its attempt is not wanted any more is told again."""


class Unwanted:
    """See the module. ``changed``: something was written, so a look is due."""

    def __init__(self, store: JobStore, members: Members, follower: Follower) -> None:
        self._store, self._members, self._follower = store, members, follower
        self._looked = 0.0
        self.changed = True

    @property
    def due(self) -> bool:
        return self.changed or time.monotonic() - self._looked > AGAIN_SECONDS

    async def stop(self) -> None:
        """Compare what replicas have in their hands with the rows."""
        self.changed, self._looked = False, time.monotonic()
        everyone = self._members.all()
        given = [(member, held.attempt) for member in everyone for held in member.held if not held.early]
        if not given:  # noted before the rows are read: what is given meanwhile is not among those
            return
        current = {attempt.id for attempt in await asyncio.to_thread(self._store.running_attempts)}
        for member, attempt_id in given:
            held = member.holds(attempt_id)
            if held is not None and attempt_id not in current:
                held.unwanted = held.unwanted or "its job does not want it any more"
                self._follower.cancel(member, attempt_id)
