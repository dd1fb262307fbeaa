"""How many tasks an owner may have at a time, and a model."""

from collections import Counter

from .view import FarmView


class Limits:
    """Limits of owners and of models within one decision."""

    def __init__(self, view: FarmView) -> None:
        self._view = view
        self._owners: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def allow(self, owner: str) -> bool:
        """Whether the owner may start one more."""
        limit = self._view.owners[owner].limit
        return limit is None or self._view.holdings.tasks(owner) + self._owners[owner] < limit

    def allow_model(self, family: str) -> bool:
        """Whether one more may start that needs this model; "" for none."""
        limit = self._view.model_limits.get(family)
        return limit is None or self._view.holdings.model_tasks(family) + self._models[family] < limit

    def start(self, owner: str, family: str = "") -> None:
        self._owners[owner] += 1
        self._models[family] += 1
