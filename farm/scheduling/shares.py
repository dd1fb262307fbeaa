"""Whose turn it is: weighted fair shares by virtual time, as processes share a processor.

An owner's ``used`` is what was done for it, in units over its weight. The lowest goes next, and is charged at once for
what it gets. Who brings work after having had none starts where the others stand: it neither waits for what they had
before, nor is anything saved up for it.
"""

import heapq
from collections.abc import Iterator
from dataclasses import replace

from .view import FarmView, OwnerView


def charge(owner: OwnerView, units: float) -> OwnerView:
    """After an attempt of the owner's has ended: ``units`` is what it took of a device of speed 1."""
    return replace(owner, used=owner.used + units / owner.weight)


def standing(view: FarmView, name: str) -> float:
    """What the owner has used, what it has in seats' hands included."""
    owner = view.owners[name]
    return owner.used + view.holdings.work(name) / owner.weight


def join(owner: OwnerView, view: FarmView) -> OwnerView:
    """Before the owner has ready tasks again after having had none, its first ones included."""
    others = [standing(view, name) for name in view.waiting_owners() if name != owner.name]
    if not others:
        others = [standing(view, name) for name in view.holdings.owners() if name != owner.name]
    mine = view.holdings.work(owner.name) / owner.weight
    return replace(owner, used=max(owner.used, min(others, default=0.0) - mine))


class Turns:
    """Owners within one decision: the one that has used least is next."""

    def __init__(self, view: FarmView) -> None:
        self._weights = {name: view.owners[name].weight for name in view.waiting_owners()}
        self._used = {name: standing(view, name) for name in self._weights}
        self._queue: list[tuple[float, str]] = []

    def around(self) -> Iterator[str]:
        """Names in turn; one that is not charged before the next is asked for has no more turns."""
        self._queue = [(used, name) for name, used in self._used.items()]
        heapq.heapify(self._queue)
        while self._queue:
            yield heapq.heappop(self._queue)[1]

    def charge(self, name: str, units: float) -> None:
        """The owner got a task of that size."""
        self._used[name] += units / self._weights[name]
        heapq.heappush(self._queue, (self._used[name], name))
