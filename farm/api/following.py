"""Following jobs: however many readers there are, the store is asked once, and read only for jobs that have changed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from farm.errors import BusyError, StorageError
from farm.jobs.records import (
    ENDED,
    Event,
    Job,
    JobState,
    TaskKind,
    TaskState,
)
from farm.store.glance import Glance
from farm.store.jobs import JobStore

from .job_views import EventView, ProgressView, progress_of
from .places import places

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
MOST_READERS = 256
PAGE = 500
BEHIND = 4 * PAGE
"""Messages that wait for a reader; one that is farther behind is hung up on, and goes on where it was."""

log = logging.getLogger(__name__)

Message = EventView | ProgressView | None
"""A line of history, where the job is now, or nothing for a sign of life. Progress of an ended job is the last one."""


@dataclass(eq=False)
class _Reader:
    """``after``: id of the last event that is on its way to it."""

    after: int
    waiting: asyncio.Queue[Message] = field(default_factory=lambda: asyncio.Queue(BEHIND))
    progress: ProgressView | None = None
    gone: bool = False

    def send(self, message: Message) -> None:
        """Queue a message; a reader that can't take it is gone."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.hang_up()

    def hang_up(self) -> None:
        self.gone = True
        with suppress(asyncio.QueueFull):
            self.waiting.put_nowait(None)


class Following:
    """The readers of one process."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._readers: dict[str, set[_Reader]] = {}
        self._seen: dict[str, Glance] = {}
        self._sections: dict[str, tuple[int, int, int]] = {}
        """By job: tasks done when its sections were counted, sections done, sections."""
        self._places: dict[str, str] = {}
        """By id of a replica."""
        self._poll: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def follow(self, job_id: str, after: int) -> AsyncIterator[Message]:
        """Messages about a job until it has ended, from the event after id ``after`` on.

        Raises:
            BusyError: there are too many readers already.
        """
        if sum(map(len, self._readers.values())) >= MOST_READERS:
            raise BusyError(f"{MOST_READERS} readers follow jobs already; close some, or ask for the job now and then.")
        return self._messages(job_id, _Reader(after))

    async def _messages(self, job_id: str, reader: _Reader) -> AsyncIterator[Message]:
        self._readers.setdefault(job_id, set()).add(reader)
        self._seen.pop(job_id, None)  # so that it is read for the newcomer
        self._wake.set()
        if self._poll is None or self._poll.done():
            self._poll = asyncio.get_running_loop().create_task(self._run())
        try:
            while not reader.gone or not reader.waiting.empty():
                try:
                    message = await asyncio.wait_for(reader.waiting.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield None
                    continue
                if message is not None:
                    yield message
                if isinstance(message, ProgressView) and message.state in ENDED:
                    return
        finally:
            readers = self._readers.get(job_id, set())
            readers.discard(reader)
            if not readers:
                self._readers.pop(job_id, None)
                self._seen.pop(job_id, None)
                self._sections.pop(job_id, None)

    async def _run(self) -> None:
        """Look at all followed jobs again and again, for as long as there are readers."""
        while self._readers:
            self._wake.clear()
            began = time.monotonic()
            try:
                await self._look()
            except StorageError as error:
                log.error("event streams broke off: %s", error)
                self._hang_up()
            except Exception:
                log.exception("event streams broke off")
                self._hang_up()
            pause = max(POLL_SECONDS, time.monotonic() - began)  # a slow database is not asked more than half the time
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _hang_up(self) -> None:
        """End all streams: clients come back and go on where they were."""
        for reader in [reader for readers in self._readers.values() for reader in readers]:
            reader.hang_up()

    async def _look(self) -> None:
        followed = list(self._readers)
        found = await run_in_threadpool(self._store.glance, followed)
        for job_id in followed:
            readers = self._readers.get(job_id)
            if not readers:
                continue
            now = found.get(job_id)
            if now is None:
                self._send(readers, (), _deleted(job_id))
            elif now != self._seen.get(job_id):
                await self._tell(job_id, readers, now)

    async def _tell(self, job_id: str, readers: set[_Reader], now: Glance) -> None:
        """Send what has changed. The job is read before its events, so that none is missed when it has ended."""
        job = await run_in_threadpool(self._store.get_job, job_id)
        after = min(reader.after for reader in readers)
        found = await run_in_threadpool(self._store.events, job_id, after, PAGE) if now.event > after else []
        events = await self._views(found)
        progress = await self._progress(job, job_id not in self._seen)
        if len(events) == PAGE:
            self._wake.set()  # there is more; progress comes after it
            self._send(readers, events, None)
            return
        self._seen[job_id] = now
        self._send(readers, events, progress)

    async def _views(self, events: Sequence[Event]) -> list[EventView]:
        """As people read them: they say where a replica is in place of its id, which stays in ``data``."""
        named = {str(event.data["replica"]) for event in events if event.data.get("replica")}
        if new := named - self._places.keys():  # a replica stays where it is
            place = await run_in_threadpool(places, self._store)
            self._places |= {replica: place(replica) for replica in new}
        return [_placed(EventView.model_validate(event), self._places) for event in events]

    def _send(self, readers: Collection[_Reader], events: Collection[EventView], progress: ProgressView | None) -> None:
        for reader in list(readers):
            for event in events:
                if event.id > reader.after:
                    reader.send(event)
                    reader.after = event.id
            if progress is not None and progress != reader.progress:
                reader.send(progress)
                reader.progress = progress

    async def _progress(self, job: Job, anew: bool) -> ProgressView:
        """Where the job is; its sections are counted again only when another task is done."""
        done = job.counts.get("done", 0)
        known = self._sections.get(job.id)
        if anew or known is None or known[0] != done:
            tasks = [t for t in await run_in_threadpool(self._store.tasks, job.id) if t.kind is TaskKind.SECTION]
            known = (done, sum(task.state is TaskState.DONE for task in tasks), len(tasks))
            self._sections[job.id] = known
        return ProgressView(
            job_id=job.id,
            state=job.state,
            error=job.error,
            progress=progress_of(job),
            counts=job.counts,
            sections=known[2],
            sections_done=known[1],
        )


def _placed(event: EventView, known: Mapping[str, str]) -> EventView:
    replica = str(event.data.get("replica") or "")
    return event.model_copy(update={"message": event.message.replace(replica, known[replica])}) if replica else event


def _deleted(job_id: str) -> ProgressView:
    return ProgressView(
        job_id=job_id, state=JobState.CANCELLED, error="deleted", progress=0, counts={}, sections=0, sections_done=0
    )
