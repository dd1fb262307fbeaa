"""Fake time: events in the order in which they are due."""

import heapq
from collections.abc import Callable

Event = Callable[[], None]


class Clock:
    """Seconds since the start. Events of one moment happen in the order in which they were set."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Event]] = []
        self._count = 0

    def at(self, time: float, event: Event) -> None:
        """Let ``event`` happen then, or now if that is past."""
        self._count += 1
        heapq.heappush(self._events, (max(time, self.now), self._count, event))

    def after(self, seconds: float, event: Event) -> None:
        self.at(self.now + seconds, event)

    def step(self) -> bool:
        """Go to the next moment and let all its events happen; ``False`` when there is none."""
        if not self._events:
            return False
        self.now = self._events[0][0]
        while self._events and self._events[0][0] == self.now:
            heapq.heappop(self._events)[2]()
        return True
