"""How the cluster's actors find and call each other."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError

from farm.errors import FarmError, StorageError

NAMESPACE = "farm"
COORDINATOR = "coordinator"
REPLICA_PREFIX = "replica-"
HEAD = "node:__internal_head__"
"""Ray's resource that the head node alone has: whoever needs the head's disk is pinned to it."""

PROBE_SECONDS = 10.0
"""Longest time that a short call to a replica may take."""

T = TypeVar("T")

log = logging.getLogger(__name__)


def has_coordinator() -> bool:
    """Whether a farm has its coordinator on the Ray cluster at hand."""
    with suppress(ValueError):
        return ray.get_actor(COORDINATOR, namespace=NAMESPACE) is not None
    return False


async def answer(reference: Any, seconds: float) -> Any:
    """What an actor call returns; TimeoutError when that takes longer."""

    async def result() -> Any:
        return await reference

    return await asyncio.wait_for(result(), seconds)


async def insist(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call the database in a thread, again and again while it is away."""
    pause = 0.2
    while True:
        try:
            return await asyncio.to_thread(call, *args, **kwargs)
        except StorageError as error:
            log.warning("%s; trying again in %.1f s", error, pause)
            await asyncio.sleep(pause)
            pause = min(5.0, 2 * pause)


@contextmanager
def courtesy() -> Iterator[None]:
    """For calls that may fail: the other side may be gone already."""
    try:
        yield
    except (RayError, FarmError, TimeoutError, ValueError) as error:
        log.info("ignored: %s", error)


class Background:
    """Coroutines that run beside the caller; a failure of one is logged, never lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` on the running event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("a background step failed", exc_info=task.exception())
