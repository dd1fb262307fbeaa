"""What nodes have on their disks: one replica of each is asked before any of them gets work, and again from time to
time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable

from .calls import answer
from .member import Member
from .nodes import Nodes

AGAIN_SECONDS = 10.0
"""Time between two questions to a node. Nothing is read of files that are as they were."""
FIRST_SECONDS = 1800.0
"""Longest time that a node may take to answer first: it may have to read all its weights."""


class Reports:
    """See the module."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._asked: dict[str, float] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def due(self, members: Iterable[Member]) -> list[Member]:
        """Whom to ask now: of each node that was not asked lately, the first replica that can answer."""
        now, found = time.monotonic(), dict[str, Member]()
        for member in members:
            host = member.slot.host
            fresh = now - self._asked.get(host, -AGAIN_SECONDS) < AGAIN_SECONDS
            if member.ready and not member.unanswered and not fresh and not self._asking[host].locked():
                found.setdefault(host, member)
        return list(found.values())

    async def ask(self, member: Member) -> bool:
        """Have the member's node say what it has; whether that is news. One question at a time goes to a node, and
        those that wait for its answer ask no other.

        Raises:
            RayError, TimeoutError: it does not answer.
        """
        host, began = member.slot.host, time.monotonic()
        async with self._asking[host]:
            if self._asked.get(host, 0.0) < began:
                report = await answer(member.handle.look_around.remote(), FIRST_SECONDS)
                self._asked[host] = time.monotonic()
                self._nodes.hear(host, report)
        before, member.assets = member.assets, self._nodes.assets(host)
        return before != member.assets
