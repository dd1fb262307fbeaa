"""What is known of replicas, written into rows when it has changed, and every few seconds that they were seen."""

import asyncio
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from farm.jobs.nodes import Wanted
from farm.scheduling.troubles import Rest
from farm.store.jobs import JobStore

from .calls import insist
from .member import Member
from .nodes import Nodes
from .seats import seat_to_row

SEEN_SECONDS = 10.0
"""Time between two signs of life of all that were heard of in between, in one statement."""
DRIFT_SECONDS = 1.0


class Noting:
    """See the module."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._offset = time.time() - time.monotonic()
        self._signed = -SEEN_SECONDS

    async def all(self, members: Collection[Member], nodes: Nodes) -> None:
        """Bring rows up to date; nothing is written of what is as it was."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > DRIFT_SECONDS:  # a clock was set, or the machine slept
            self._offset = offset
        await asyncio.to_thread(nodes.write)
        for member in members:
            await self.one(member, member.state)
        if time.monotonic() - self._signed >= SEEN_SECONDS:
            self._signed = time.monotonic()
            heard = [member for member in members if member.heard]
            await insist(self._store.note_seen, nodes.hosts(), [member.id for member in heard])
            for member in heard:
                member.heard = False

    async def one(self, member: Member, state: str) -> None:
        """Write a replica's row, unless it was removed in between: a row that comes back would stay for ever."""
        changed = (state, *member.condition)
        if changed == member.noted:
            return
        async with member.writing:
            if member.gone:
                return
            await insist(self._store.upsert_replica, member.id, **self._row(member, state))
            member.noted = changed

    def _row(self, member: Member, state: str) -> dict[str, Any]:
        slot, trouble, pace = member.slot, member.trouble, member.pace
        until = trouble.until if isinstance(trouble, Rest) else trouble.probe_at if trouble else 0.0
        text, at = member.blame
        seat = member.seat()
        more = {
            "host": slot.host,
            "seat": slot.seat,
            "wanted": (Wanted.ACTIVE if member.standing.takes else Wanted.DRAINED).value,
            "device_name": member.facts.name,
            "memory": int(seat.memory) if seat.memory < 2**62 else None,
            "capability": member.facts.capability,
            "speed": pace[0] if pace else None,
            "expected_speed": pace[1] if pace else None,
            "models": sorted(member.loaded),
            "loads": list(member.loads),
            "trouble": text,
            "trouble_at": datetime.fromtimestamp(at, UTC) if at else None,
        }
        data = {
            "attempt": member.attempt,
            "pid": member.pid,
            "loading": list(member.loading),
            "seat": seat_to_row(seat, self._on_wall, until),
        }
        facts = {"device_class": slot.label, "message": member.message, "data": data, "more": more}
        return {"node": slot.node, "device": slot.label, "state": state, **facts}

    def _on_wall(self, moment: float) -> float:
        return round(moment + self._offset, 2)
