"""Writers of one process take turns, and whoever's turn it is does what all that wait have to do.

SQLite has one writer at a time, and who finds it taken asks again after pauses of up to 0.1 s, in no order. Here nobody
asks twice, nobody is passed over, and many who wait cost one transaction: one wait for the disk.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

Work = Callable[[Connection], Any]
"""What is done in a transaction; it may be done again should that fail."""


@dataclass(eq=False)
class _Waiting:
    works: Sequence[Work]
    outcomes: list[Any] | None = None


class Turns:
    """See the module. ``execute`` does a number of works and gives for each its result, or the exception it raised."""

    def __init__(self, execute: Callable[[Sequence[Work]], list[Any]]) -> None:
        self._execute = execute
        self._turn = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._joining = threading.Lock()

    def take(self, works: Sequence[Work]) -> list[Any]:
        """Wait until these are done, together with others or not; for each its result, or the exception it raised."""
        mine = _Waiting(works)
        with self._joining:
            self._waiting.append(mine)
        with self._turn:
            if mine.outcomes is None:
                self._do(self._all_with(mine))
        assert mine.outcomes is not None
        return mine.outcomes

    def _all_with(self, mine: _Waiting) -> list[_Waiting]:
        """Those that wait; ``mine`` is not among them if it was in the hands of one that was interrupted."""
        with self._joining:
            waiting, self._waiting = self._waiting, []
        return waiting if mine in waiting else [*waiting, mine]

    def _do(self, waiting: Sequence[_Waiting]) -> None:
        outcomes = self._execute([work for one in waiting for work in one.works])
        for one in waiting:
            one.outcomes, outcomes = outcomes[: len(one.works)], outcomes[len(one.works) :]
