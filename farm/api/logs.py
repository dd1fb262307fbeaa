"""Logs of attempts."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from farm.errors import NotFoundError
from farm.work.logs import LIMIT, read_log

from .context import Farm
from .params import AttemptId, JobId

router = APIRouter(tags=["jobs"])

From = Annotated[int, Query(ge=0, le=2 * LIMIT, description="Leave out so many bytes: those that are known already")]
Tail = Annotated[int | None, Query(ge=1, le=LIMIT, description="Only so many of the last lines")]


@router.get("/jobs/{job_id}/attempts/{attempt_id}/log", summary="Read an attempt's log", response_class=Response)
def get_log(farm: Farm, job_id: JobId, attempt_id: AttemptId, start: From = 0, tail: Tail = None) -> Response:
    """What was said while it was at work, at most 256 kB, with the traceback of what ended it. That of an attempt at
    work grows by whole lines; `start` reads on where the last answer ended."""
    farm.store.get_job(job_id)
    if attempt_id not in {attempt.id for attempt in farm.store.attempts(job_id)}:
        raise NotFoundError(f"job {job_id} has no attempt {attempt_id!r}; `farm show {job_id} --json` lists them.")
    content = read_log(farm.artifacts, job_id, attempt_id)
    if content is None:
        raise NotFoundError(
            f"attempt {attempt_id} has no log: it took another job's result over, has just begun, or its log could "
            "not be written."
        )
    content = content[start:]
    if tail is not None:
        content = b"".join(content.splitlines(keepends=True)[-tail:])
    return Response(content, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})
