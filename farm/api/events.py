"""The event stream of a job (server-sent events): its history, then its progress, until it ends."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from farm.errors import NotFoundError, StorageError
from farm.jobs.records import Job, JobState, TaskKind, TaskState

from .context import Farm, FarmContext
from .params import MOST, After, JobId, LastEventId
from .schemas import EventView, ProgressView, progress_of

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
PAGE = 500
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)

log = logging.getLogger(__name__)
router = APIRouter(tags=["jobs"])

EXAMPLE = (
    'id: 7\nevent: attempt_committed\ndata: {"id": 7, "job_id": "3f2a", "at": "2026-01-01T12:00:00Z", '
    '"kind": "attempt_committed", "message": "section-003 is finished", "data": {}}\n\n'
    'event: progress\ndata: {"job_id": "3f2a", "state": "running", "progress": 0.42}\n\n'
)


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"example": EXAMPLE}}}},
)
async def follow(
    farm: Farm,
    job_id: JobId,
    last_event_id: LastEventId = None,
    after: After = 0,
) -> StreamingResponse:
    """History events carry ids, so that a stream that broke off is taken up where it ended. `progress` events say where
    the job is now; `end` comes last. Comments keep the connection alive."""
    await run_in_threadpool(farm.store.get_job, job_id)
    if last_event_id:
        after = min(int(last_event_id), MOST)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(farm, job_id, after), media_type="text/event-stream", headers=headers)


async def stream(farm: FarmContext, job_id: str, after: int) -> AsyncIterator[str]:
    """Frames of the stream. The job is read before its events, so that none is missed when it has ended."""
    sent: ProgressView | None = None
    heard = time.monotonic()
    try:
        while True:
            job = await run_in_threadpool(farm.store.get_job, job_id)
            events = await run_in_threadpool(farm.store.events, job_id, after, PAGE)
            for event in events:
                yield frame(event.kind, EventView.model_validate(event), event.id)
                after = event.id
            if len(events) == PAGE:
                continue
            now = await _progress(farm, job, sent)
            if job.state in ENDED:
                yield frame("end", now)
                return
            if now != sent:
                yield frame("progress", now)
                sent = now
            elif not events and time.monotonic() - heard > HEARTBEAT_SECONDS:
                yield ": heartbeat\n\n"
            else:
                await asyncio.sleep(POLL_SECONDS)
                continue
            heard = time.monotonic()
            await asyncio.sleep(POLL_SECONDS)
    except NotFoundError:
        gone = ProgressView(
            job_id=job_id, state=JobState.CANCELLED, error="deleted", progress=0, counts={}, sections=0, sections_done=0
        )
        yield frame("end", gone)
    except StorageError as error:
        log.error("event stream of %s broke off: %s", job_id, error)


def frame(event: str, data: BaseModel, number: int | None = None) -> str:
    """One event of the stream."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data.model_dump(mode='json'), ensure_ascii=False)}\n\n"


async def _progress(farm: FarmContext, job: Job, before: ProgressView | None) -> ProgressView:
    """Where the job is; its tasks are read again only when another one is done."""
    if before is not None and before.counts.get("done") == job.counts.get("done"):
        sections, done = before.sections, before.sections_done
    else:
        tasks = [t for t in await run_in_threadpool(farm.store.tasks, job.id) if t.kind is TaskKind.SECTION]
        sections, done = len(tasks), sum(task.state is TaskState.DONE for task in tasks)
    return ProgressView(
        job_id=job.id,
        state=job.state,
        error=job.error,
        progress=progress_of(job),
        counts=job.counts,
        sections=sections,
        sections_done=done,
    )
