"""The event stream of a job (server-sent events): its history, then its progress, until it ends."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from farm.jobs.records import ENDED

from .context import Farm
from .following import Message
from .job_views import EventView, ProgressView
from .params import MOST, After, JobId, LastEventId

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
    frames = _frames(farm.following.follow(job_id, after))
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)


async def _frames(messages: AsyncIterator[Message]) -> AsyncIterator[str]:
    async for message in messages:
        match message:
            case EventView():
                yield frame(message.kind, message, message.id)
            case ProgressView():
                yield frame("end" if message.state in ENDED else "progress", message)
            case None:
                yield ": heartbeat\n\n"


def frame(event: str, data: BaseModel, number: int | None = None) -> str:
    """One event of the stream."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data.model_dump(mode='json'), ensure_ascii=False)}\n\n"
