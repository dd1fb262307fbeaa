"""HTTP connections that are opened and say nothing: uvicorn waits for them for ever, this protocol does not."""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 10.0
"""Longest time from a connection, or from the first byte of a further request on it, to the end of the headers."""
WAITING = 256
"""Connections of one process that have not sent their headers yet; one more is closed."""

Base: Any = AutoHTTPProtocol


class GuardedProtocol(Base):  # type: ignore[misc]
    """uvicorn's protocol with a limit on the time for headers, and on how many connections take it."""

    waiting: ClassVar[set["GuardedProtocol"]] = set()
    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.waiting) >= WAITING:
            transport.abort()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        upgraded = self.transport.get_protocol() is not self
        if upgraded or not (self.cycle is None or self.cycle.response_complete):
            self._unwatch_head()
        elif self.head_timer is None and not self.transport.is_closing():
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch_head()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        self.waiting.add(self)
        self.head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.transport.abort)

    def _unwatch_head(self) -> None:
        self.waiting.discard(self)
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None
