"""How many tasks an owner may have at a time."""

from collections import Counter

from .view import FarmView


class Limits:
    """Owners' limits within one decision."""

    def __init__(self, view: FarmView) -> None:
        self._view = view
        self._started: Counter[str] = Counter()

    def allow(self, owner: str) -> bool:
        """Whether the owner may start one more."""
        limit = self._view.owners[owner].limit
        return limit is None or self._view.holdings.tasks(owner) + self._started[owner] < limit

    def start(self, owner: str) -> None:
        self._started[owner] += 1
