"""Results of attempts, whose files are published, wait here for the next round, which takes all over in one go.

What they make ready is thereby known to the very decision that follows: rows are read after they were written, by one
reader. What was foreseen (``foresight``) is started in the same transaction.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from farm.errors import StorageError
from farm.jobs.records import Artifact, Attempt
from farm.store.attempts import Reached, Result
from farm.store.jobs import JobStore

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Waiting:
    """A result. ``then``: called once it is taken over; ``told``: by which who waits for that goes on."""

    job_id: str
    result: Result
    then: Callable[[], None]
    told: asyncio.Future[None]


@dataclass(frozen=True, eq=False)
class Start:
    """An attempt that is to start together with what results make ready, unless a task of the same content ``key`` is
    done. ``then``: called with the attempt, with why it can't start, or with None for such a task."""

    attempt_id: str
    task_id: str
    replica: str
    device: str
    key: str
    then: Callable[[Attempt | Exception | None], None]


class Commits:
    """See the module. ``wake`` asks for a round."""

    def __init__(self, store: JobStore, wake: Callable[[], None]) -> None:
        self._store, self._wake = store, wake
        self._waiting: list[Waiting] = []
        self._ended: list[tuple[Waiting, Exception | None]] = []

    async def commit(
        self,
        attempt: Attempt,
        files: Sequence[Artifact],
        facts: Mapping[str, Any],
        reached: Reached | None,
        then: Callable[[], None],
    ) -> None:
        """Wait until an attempt's result is taken over; ``then`` is called in that moment, before the round decides.

        Raises:
            StaleAttemptError: the attempt is not current; nothing was written.
            StorageError: the database is away.
        """
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(attempt.job_id, Result(attempt.id, files, facts, reached), then, told))
        self._wake()
        await told

    async def take_over(
        self, read: Callable[[set[str]], T], foresee: Callable[[Sequence[Waiting]], Sequence[Start]] = lambda _: ()
    ) -> T:
        """Take over all that wait, with what starts by ``foresee`` of them, then ``read`` of their jobs, in the same
        thread; what that gives, or raises."""
        waiting, self._waiting = sorted(self._waiting, key=lambda each: each.result.attempt_id), []
        starts = foresee(waiting) if waiting else ()
        outcomes, begun, found = await asyncio.to_thread(self._write_and_read, waiting, starts, read)
        self._ended += [(each, _then(each, outcome)) for each, outcome in zip(waiting, outcomes, strict=True)]
        for start in starts:
            start.then(begun[start.attempt_id])
        if isinstance(found, Exception):
            raise found
        return found

    def tell(self) -> None:
        """Those who wait go on: at what is left to do, which comes after what the decision has started."""
        ended, self._ended = self._ended, []
        for waiting, error in ended:
            if waiting.told.done():  # who waited is gone
                continue
            if error is None:
                waiting.told.set_result(None)
            else:
                waiting.told.set_exception(error)

    def _write_and_read(
        self, waiting: Sequence[Waiting], starts: Sequence[Start], read: Callable[[set[str]], T]
    ) -> tuple[Sequence[object], dict[str, Attempt | Exception | None], T | Exception]:
        outcomes, begun = self._write(waiting, starts) if waiting else ([], {})
        try:
            return outcomes, begun, read({each.job_id for each in waiting})
        except Exception as error:  # noqa: BLE001 - raised where the round can be tried again; results are told first
            return outcomes, begun, error

    def _write(
        self, waiting: Sequence[Waiting], starts: Sequence[Start]
    ) -> tuple[Sequence[object], dict[str, Attempt | Exception | None]]:
        """What became of the results, and of the attempts that start, by their ids."""
        keys = {start.key for start in starts if start.key}
        try:
            made = self._store.made(keys) if keys else set()
        except StorageError:  # so will be what follows
            made = keys
        fresh = [start for start in starts if start.key not in made]
        told = [(start.attempt_id, start.task_id, start.replica, start.device) for start in fresh]
        outcomes, begun = self._store.commit_attempts([each.result for each in waiting], told)
        ids = [start.attempt_id for start in fresh]
        return outcomes, {start.attempt_id: None for start in starts} | dict(zip(ids, begun, strict=True))


def _then(waiting: Waiting, outcome: object) -> Exception | None:
    """What follows at once; why there is no result, or what went wrong with what follows."""
    if isinstance(outcome, Exception):
        return outcome
    try:
        waiting.then()
    except Exception as error:  # noqa: BLE001 - its own; others wait
        return error
    return None
