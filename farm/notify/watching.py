"""What happens to no one job: the queue runs empty, a machine is lost, the disk is nearly full. Told by comparing two
looks at the rows; after a new start the first look only says how things are."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from farm.jobs.nodes import Node, NodeState
from farm.jobs.records import RUNNABLE
from farm.store.jobs import JobStore

from .notice import Happening, Notice

LOW_SHARE, LOW_BYTES = 0.05, 5e9
"""A disk is low with less than both free; told again only after it was not."""


class Watcher:
    """See the module."""

    def __init__(self, store: JobStore, home: Path) -> None:
        self._store, self._home = store, home
        self._busy: bool | None = None
        self._up: set[str] | None = None
        self._low = False

    def look(self) -> list[Notice]:
        """What happened since the last time."""
        return [*self._queue(), *self._nodes(), *self._disk()]

    def _queue(self) -> list[Notice]:
        states = self._store.summary().states
        busy = any(states[state] for state in RUNNABLE)
        before, self._busy = self._busy, busy
        return [_notice(Happening.QUEUE_EMPTY, "Nothing is left to render.")] if before and not busy else []

    def _nodes(self) -> list[Notice]:
        nodes = {node.host: node for node in self._store.nodes()}
        up = {host for host, node in nodes.items() if node.facts.state is NodeState.UP}
        before, self._up = self._up, up
        lost = sorted(host for host in (before or set()) - up if not _was_sent_away(nodes.get(host)))
        return [_notice(Happening.NODE_LOST, f"{host} is gone.", host) for host in lost]

    def _disk(self) -> list[Notice]:
        usage = shutil.disk_usage(self._home)
        low = usage.free < min(LOW_BYTES, LOW_SHARE * usage.total)
        before, self._low = self._low, low
        if before or not low:
            return []
        text = f"{self._home} has {usage.free / 1e9:.1f} GB free; `farm disk` says what takes it."
        return [_notice(Happening.DISK_LOW, text)]


def _was_sent_away(node: Node | None) -> bool:
    return node is None or node.settings.drain is not None


def _notice(event: Happening, message: str, about: str = "") -> Notice:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Notice(":".join(filter(None, (event, about, at))), event, at, message)
