"""Has Ray's autoscaler start machines that the queue is worth, and lets those go that have nothing to do.

Ray ends a machine on which nothing runs, and a replica is something that runs. So a node that may go gets no replicas
any more: they finish what they are at and end, and what is asked of Ray shrinks with them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from farm.scheduling.demand import Memory, plan
from farm.scheduling.machine import Scale

from .board import FAST, SPEEDS, Board
from .nodes import Nodes

LOOK_SECONDS = 2.0
AGAIN_SECONDS = 60.0
"""So often what is asked for is said again, should a head have been started anew."""

Bundle = dict[str, float]

log = logging.getLogger(__name__)


def ask_ray(bundles: Sequence[Bundle]) -> None:
    """Have room for all of these, in place of what was asked for before."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=list(bundles))


class Autoscaler:
    """See the module.

    Args:
        scale: None to leave the cluster as it is.
        ask: tells Ray what there should be room for.
    """

    def __init__(
        self, scale: Scale | None, board: Board, nodes: Nodes, ask: Callable[[Sequence[Bundle]], None] = ask_ray
    ) -> None:
        self._scale, self._board, self._nodes, self._ask = scale, board, nodes, ask
        self._memory = Memory()
        nodes.granted = scale.labels if scale else frozenset()
        self._asked: list[Bundle] | None = None
        self._next = self._said = 0.0

    @property
    def due(self) -> bool:
        return self._scale is not None and time.monotonic() >= self._next

    async def adjust(self) -> None:
        """Look at queue and nodes, and ask Ray for what is wanted if that has changed."""
        if self._scale is None or not self._nodes.seen:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        scale, nodes = self._scale, self._nodes
        speed = FAST if scale.gpus else SPEEDS["CPU"]
        found = plan(self._board.view, self._board.now, scale, nodes.movable, self._memory, speed)
        self._memory = found.memory
        nodes.spare = found.spare
        nodes.expect(scale, found.coming)
        await self._tell([*[scale.bundle] * found.target, *nodes.fixed_bundles(*scale.bundle)])

    async def give_up(self) -> None:
        """Ask for nothing any more: the farm leaves the cluster."""
        if self._scale is not None:
            await self._tell([])

    async def _tell(self, bundles: list[Bundle]) -> None:
        now = time.monotonic()
        if bundles != self._asked or now - self._said > AGAIN_SECONDS:
            if bundles != self._asked:
                log.info("autoscaler: %d machines wanted, asked for %s", self._memory.target, bundles)
            await asyncio.to_thread(self._ask, bundles)
            self._asked, self._said = bundles, now
