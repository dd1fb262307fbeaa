"""What is known of replicas, written into rows when it has changed, and every few seconds that they were seen."""

import asyncio
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from farm.jobs.nodes import Wanted
from farm.scheduling.verdicts import Rest
from farm.store.jobs import JobStore

from .calls import insist
from .member import Member
from .nodes import Nodes
from .seats import seat_to_row

SEEN_SECONDS = 10.0
"""Time between two signs of life of all that are there, in one row."""
NOTE_SECONDS = 0.25
"""Least time between two writings."""
DRIFT_SECONDS = 1.0


class Noting:
    """See the module."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._offset = time.time() - time.monotonic()
        self._signed = -SEEN_SECONDS
        self._next = 0.0

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._next

    async def all(self, members: Collection[Member], nodes: Nodes, state: str | None = None) -> None:
        """Bring rows up to date, with that ``state`` if it is given; nothing is written of what is as it was."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._offset) > DRIFT_SECONDS:  # a clock was set, or the machine slept
            self._offset = offset
        self._next = time.monotonic() + NOTE_SECONDS
        await asyncio.to_thread(nodes.write)
        await self._rows(members, state)
        if time.monotonic() - self._signed >= SEEN_SECONDS:
            self._signed = time.monotonic()
            await insist(self._store.note_look)

    async def _rows(self, members: Collection[Member], state: str | None) -> None:
        """Write all in one go, but of those removed in between: a row that comes back would stay for ever."""
        async with AsyncExitStack() as writing:
            changed = [member for member in members if (state or member.state, *member.condition) != member.noted]
            for member in sorted(changed, key=lambda member: member.id):
                await writing.enter_async_context(member.writing)
            changed = [member for member in changed if not member.gone]
            told = [(state or member.state, *member.condition) for member in changed]
            if changed:
                rows = {member.id: self._row(member, state or member.state) for member in changed}
                await insist(self._store.upsert_replicas, rows)
            for member, noted in zip(changed, told, strict=True):
                member.noted = noted

    def _row(self, member: Member, state: str) -> dict[str, Any]:
        slot, trouble, pace = member.slot, member.trouble, member.pace
        until = trouble.until if isinstance(trouble, Rest) else trouble.probe_at if trouble else 0.0
        text, at = member.blame
        seat = member.seat()
        more = {
            "host": slot.host,
            "seat": slot.seat,
            "heard": member.heard,
            "wanted": (Wanted.ACTIVE if member.standing.takes else Wanted.DRAINED).value,
            "device_name": member.facts.name,
            "memory": int(seat.memory) if seat.memory < 2**62 else None,
            "capability": member.facts.capability,
            "speed": _digits(pace.speed) if pace else None,
            "expected_speed": _digits(pace.expected) if pace else None,
            "models": sorted(member.loaded),
            "loads": list(member.loads),
            "trouble": text,
            "trouble_at": datetime.fromtimestamp(at, UTC) if at else None,
        }
        data = {
            "attempt": member.attempt,
            "pid": member.pid,
            "loading": list(member.loading),
            "dtypes": list(member.facts.dtypes),
            "tflops": member.facts.tflops,
            "seat": seat_to_row(seat, self._on_wall, until),
        }
        facts = {"device_class": slot.label, "message": member.message, "data": data}
        return {"node": slot.node, "device": slot.label, "state": state, **facts, **more}

    def _on_wall(self, moment: float) -> float:
        return round(moment + self._offset, 2)


def _digits(value: float) -> float:
    return float(f"{value:.3g}")
