"""Results of attempts, whose files are published, wait here for the next round, which takes all over in one go.

What they make ready is thereby known to the very decision that follows, and to no decision before: rows are read after
they were written, by one reader.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from farm.jobs.records import Artifact, Attempt
from farm.store.attempts import Reached, Result
from farm.store.jobs import JobStore

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Waiting:
    job_id: str
    result: Result
    then: Callable[[], None]
    told: asyncio.Future[None]


class Commits:
    """See the module. ``wake`` asks for a round."""

    def __init__(self, store: JobStore, wake: Callable[[], None]) -> None:
        self._store, self._wake = store, wake
        self._waiting: list[_Waiting] = []
        self._ended: list[tuple[_Waiting, Exception | None]] = []

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
        self._waiting.append(_Waiting(attempt.job_id, Result(attempt.id, files, facts, reached), then, told))
        self._wake()
        await told

    async def take_over(self, read: Callable[[set[str]], T]) -> T:
        """Take over all that wait, then ``read`` of their jobs, in the same thread; what that gives, or raises."""
        waiting, self._waiting = sorted(self._waiting, key=lambda each: each.result.attempt_id), []
        outcomes, found = await asyncio.to_thread(self._write_and_read, waiting, read)
        self._ended += [(each, _then(each, outcome)) for each, outcome in zip(waiting, outcomes, strict=True)]
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
        self, waiting: Sequence[_Waiting], read: Callable[[set[str]], T]
    ) -> tuple[Sequence[object], T | Exception]:
        outcomes = self._store.commit_attempts([each.result for each in waiting]) if waiting else []
        try:
            return outcomes, read({each.job_id for each in waiting})
        except Exception as error:  # noqa: BLE001 - raised where the round can be tried again; results are told first
            return outcomes, error


def _then(waiting: _Waiting, outcome: object) -> Exception | None:
    """What follows at once; why there is no result, or what went wrong with what follows."""
    if isinstance(outcome, Exception):
        return outcome
    try:
        waiting.then()
    except Exception as error:  # noqa: BLE001 - its own; others wait
        return error
    return None
