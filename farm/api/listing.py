"""Routes for lists of jobs: whole, or as rows of a table."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime

from farm.jobs.listing import JobFilter, JobSort
from farm.jobs.names import VIDEO, face_of
from farm.jobs.records import Job, JobState
from farm.texts import one_line

from .context import Farm, FarmContext
from .job_views import JobList, JobRow, JobRows, JobStates, JobView, progress_of
from .params import Offset, Owner, Words

router = APIRouter(tags=["jobs"])

IDS = r"^[A-Za-z0-9_-]{1,64}$"
RISING = (JobSort.PLACE, JobSort.NAME, JobSort.OWNER, JobSort.STATE)
"""Orders that begin with the least by themselves."""
FRESH_SECONDS = 15
"""After that rows count as changed, since what machines are at tells when jobs will be done."""
PROMPT = 200
"""Characters of a prompt in a row."""


@dataclass(frozen=True)
class Listing:
    """What is to be listed."""

    wanted: JobFilter
    sort: JobSort
    ascending: bool
    limit: int
    offset: int

    def read(self, farm: FarmContext) -> tuple[list[Job], int]:
        """The jobs of the page, and how many there are in all."""
        by_place = self.sort is JobSort.PLACE
        places = {job_id: place for place, job_id in enumerate(farm.outlook.order(), 1)} if by_place else None
        return farm.store.page(
            self.wanted,
            sort=self.sort,
            descending=not self.ascending,
            limit=self.limit,
            offset=self.offset,
            places=places,
        )


def _listing(
    state: Annotated[list[JobState] | None, Query(description="Only jobs in one of these states")] = None,
    owner: Owner = None,
    text: Words = None,
    begins: Annotated[str | None, Query(pattern=IDS, description="Only ids that begin so")] = None,
    family: Annotated[str | None, AfterValidator(one_line), Query(max_length=80)] = None,
    preset: Annotated[str | None, AfterValidator(one_line), Query(max_length=80)] = None,
    batch: Annotated[str | None, AfterValidator(one_line), Query(max_length=80)] = None,
    since: Annotated[AwareDatetime | None, Query(description="Queued then or later")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Queued before")] = None,
    sort: JobSort = JobSort.CREATED,
    ascending: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Offset = 0,
) -> Listing:
    wanted = JobFilter(tuple(state or ()), owner, text, begins, family, preset, None, batch, since, until)
    return Listing(wanted, sort, sort in RISING if ascending is None else ascending, limit, offset)


Asked = Annotated[Listing, Depends(_listing)]


@router.get("/jobs", summary="List jobs")
def list_jobs(farm: Farm, asked: Asked) -> JobList:
    """The newest first, or the first to run with `sort=place`; `ascending` turns any order round."""
    jobs, total = asked.read(farm)
    return JobList(jobs=[JobView.of(job, farm.outlook.of_job(job)) for job in jobs], total=total)


@router.get(
    "/jobs/rows",
    summary="List jobs as rows of a table",
    response_model=JobRows,
    responses={304: {"description": "The rows are still those with the ETag in If-None-Match"}},
)
def list_rows(
    farm: Farm,
    request: Request,
    response: Response,
    asked: Asked,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> JobRows | Response:
    """As `GET /jobs`, without requests, but with where each job is worked on, its picture and its result. Asking again
    costs next to nothing while nothing has changed."""
    summary = farm.store.summary()
    moment = f"{request.url.query} {summary.mark} {time.time() // FRESH_SECONDS}"
    etag = f'"{sha256(moment.encode()).hexdigest()[:32]}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    settled = farm.outlook.covers(summary.mark)
    jobs, total = asked.read(farm)
    found = JobRows(rows=_rows(farm, jobs), total=total, states=dict(summary.states))
    if settled:  # else places may be a second old, and the next question is to be answered anew
        response.headers["ETag"] = etag
    return found


@router.get("/jobs/states", summary="Count jobs by state")
def count_jobs(farm: Farm) -> JobStates:
    """For a glance at the farm."""
    return JobStates(states=dict(farm.store.summary().states))


def _rows(farm: FarmContext, jobs: list[Job]) -> list[JobRow]:
    ids, now = [job.id for job in jobs], datetime.now(UTC)
    files, hosts = farm.store.shown_files(ids), farm.store.hosts(ids)
    found = []
    for job in jobs:
        face, video = files[job.id].get(face_of(files[job.id]) or ""), files[job.id].get(VIDEO)
        values = {name: value for name, value in vars(job).items() if name in JobRow.model_fields}
        more = {
            "prompt": job.prompt[:PROMPT],
            "draft": job.draft,
            "seconds": job.plan.get("seconds"),
            "progress": progress_of(job),
            "took": job.took(now),
            "outlook": farm.outlook.of_job(job),
            "hosts": hosts.get(job.id, []),
            "picture": face.sha256[:16] if face else "",
            "result": video.media_type if video else "",
            "result_bytes": video.size if video else 0,
        }
        found.append(JobRow.model_validate({**values, **more}))
    return found
