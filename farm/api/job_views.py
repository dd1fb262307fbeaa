"""Jobs in lists, tables and streams, made from the records of farm.jobs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel

from farm.cluster.outlook import JobOutlook
from farm.jobs.records import Job, JobState, TaskState
from farm.jobs.submission import Submission

from .schemas import View


class OutlookView(View):
    """What lies before a job: its ``place`` among ``jobs`` in the queue, from 1; seconds until it is done at best, as
    ``expected`` and at worst, null when nothing can take it; ``why`` it waits, empty while it is worked on."""

    place: int
    jobs: int
    low: float | None
    expected: float | None
    high: float | None
    code: str
    why: str


class ShotView(View):
    """A video in a film: its own request, the first of its ``sections``, and the seconds in which it fades in."""

    name: str
    request: dict[str, Any]
    first: int
    sections: int
    fade: float


class JobView(View):
    """A job. ``counts``: its tasks per state, and ``steps_done``, ``steps_total``,
    ``sections_done``, ``sections_total``; ``progress``: 0 to 1.

    ``unreadable`` says why this version can't read the request of another one; ``request`` is then as it was stored,
    with defaults for what is missing. A take of the job ``parent``, or another export of it, has its sections ``kept``
    as they were. ``took``: seconds from its start until now or its end, without pauses. ``film``: it has several
    shots, and ``request`` is that of the first one.
    """

    id: str
    request: Submission | dict[str, Any]
    unreadable: str
    state: JobState
    owner: str
    name: str
    prompt: str
    priority: int
    family: str
    parent: str
    kept: tuple[int, ...]
    deadline: datetime | None
    mixing: bool
    labels: tuple[str, ...]
    batch: str
    draft: bool
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    took: float | None
    error: str
    plan_digest: str
    film: bool
    counts: dict[str, int]
    progress: float
    outlook: OutlookView | None = None

    @classmethod
    def of(cls, job: Job, outlook: JobOutlook | None = None) -> Self:
        found = OutlookView.model_validate(outlook) if outlook else None
        return cls(**_job_values(job), outlook=found)


class JobCreated(JobView):
    """A job that was just queued. ``notes``: what its owner should know before it is rendered, a sentence each;
    ``shots``: of a film."""

    notes: list[str]
    shots: list[ShotView]

    @classmethod
    def created(cls, job: Job, notes: Sequence[str]) -> Self:
        return cls(**{**_job_values(job), "notes": list(notes), "shots": shots_of(job)})


def shots_of(job: Job) -> list[ShotView]:
    """Of a film; none of any other job."""
    return [
        ShotView(
            name=shot.name,
            request=shot.stored.fields,
            first=shot.first,
            sections=shot.sections,
            fade=shot.fade / shot.fps,
        )
        for shot in job.shots
    ]


_DEFAULTS = Submission(prompt="-").model_dump(mode="json")


def _job_values(job: Job) -> dict[str, Any]:
    trouble = job.trouble
    request = {**_DEFAULTS, **job.stored.fields} if trouble else job.submission
    found = {"draft": job.draft, "progress": progress_of(job), "took": job.took(datetime.now(UTC))}
    found["film"] = bool(job.shots)
    return {**vars(job), **found, "request": request, "unreadable": trouble}


class JobList(BaseModel):
    """``total`` counts all that match, ``jobs`` holds the page asked for, newest first."""

    jobs: list[JobView]
    total: int


class JobRow(View):
    """A job as a row of a table. ``seconds`` of the video, null for a job of an early version; ``prompt``: its
    beginning; ``took``: as of a job; ``hosts``: machines that work for it now; ``picture``: names the state of its
    thumbnail, empty when there is none; ``result``: the media type of its finished video, of ``result_bytes``."""

    id: str
    state: JobState
    name: str
    prompt: str
    owner: str
    priority: int
    family: str
    preset: str
    labels: tuple[str, ...]
    draft: bool
    deadline: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    seconds: float | None
    counts: dict[str, int]
    progress: float
    took: float | None
    outlook: OutlookView | None
    hosts: list[str]
    picture: str
    result: str
    result_bytes: int


class JobRows(BaseModel):
    """``total`` counts all that match, ``rows`` holds the page asked for; ``states`` counts all jobs there are."""

    rows: list[JobRow]
    total: int
    states: dict[JobState, int]


class JobStates(BaseModel):
    states: dict[JobState, int]


class EventView(View):
    """A line of a job's history, as sent in the event stream. ``message`` is for people, ``data`` for programs."""

    id: int
    job_id: str
    at: datetime
    kind: str
    message: str
    data: dict[str, Any]


class ProgressView(BaseModel):
    """Where a job is now, as sent in the event stream under ``progress`` and ``end``."""

    job_id: str
    state: JobState
    error: str
    progress: float
    counts: dict[str, int]
    sections: int
    sections_done: int


def progress_of(job: Job) -> float:
    """Share of the work done, 0 to 1: the denoising steps, and a few percent for what comes after them."""
    if job.state is JobState.COMPLETED:
        return 1.0
    total = job.counts.get("steps_total", 0)
    tasks = sum(job.counts.get(state, 0) for state in TaskState)
    steps = job.counts.get("steps_done", 0) / total if total else 0.0
    done = job.counts.get("done", 0) / tasks if tasks else 0.0
    return round(min(0.9 * steps + 0.1 * done, 0.999), 4)
