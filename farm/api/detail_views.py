"""One job with everything that is known about it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from farm.jobs.quality import QUALITY
from farm.jobs.records import Artifact, Attempt, Job, JobState, Task
from farm.jobs.submission import Submission

from .filenames import filename_of
from .job_views import JobView, OutlookView, ShotView
from .plan_views import PlanView
from .schemas import View


class TaskView(View):
    """``reason`` says why it failed before; ``why`` it waits now, if it does."""

    id: str
    name: str
    kind: str
    section: int | None
    dependencies: tuple[str, ...]
    state: str
    failures: int
    reason: str
    why: str = ""

    @classmethod
    def of(cls, task: Task, why: str) -> Self:
        return cls(**vars(task), why=why)


class AttemptView(View):
    """One try at a task. ``place``: where its replica is, such as ``studio-1 cuda-0``; its log is at
    ``/jobs/{job}/attempts/{id}/log``."""

    id: str
    task_id: str
    number: int
    replica: str
    place: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    failure: str | None
    message: str
    step: int
    steps: int
    device_class: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, attempt: Attempt, place: str) -> Self:
        facts = {name: value for name, value in attempt.facts.items() if name != QUALITY}  # has an answer of its own
        return cls(**{**vars(attempt), "facts": facts}, place=place)


class ArtifactView(BaseModel):
    """A file of a job; ``url`` is where to fetch it, ``filename`` a good name to save it under."""

    name: str
    size: int
    sha256: str
    media_type: str
    url: str
    filename: str

    @classmethod
    def of(cls, job: Job, artifact: Artifact) -> Self:
        return cls(
            name=artifact.name,
            size=artifact.size,
            sha256=artifact.sha256,
            media_type=artifact.media_type,
            url=f"/api/v1/jobs/{job.id}/artifacts/{artifact.name}",
            filename=filename_of(job, artifact),
        )


class RenderedSection(BaseModel):
    """How a finished section was made. ``steps_computed``: per CFG branch, the steps that its cache did not skip.
    ``take``: of a judged one, which it is, 0 the first; ``score``: how much its worst value takes up of what its limit
    leaves, above 1 where it is ``outside`` limits, by kind."""

    index: int
    seconds: float
    replica: str
    device_class: str
    cache: str
    steps: int
    steps_computed: dict[str, int]
    take: int | None = None
    score: float | None = None
    outside: list[str] = []


class TakeView(View):
    """One of a video's takes: ``parent`` is the one it was made of, whose sections ``kept`` it has as they are."""

    id: str
    name: str
    prompt: str
    state: JobState
    parent: str
    kept: tuple[int, ...]
    draft: bool
    created_at: datetime


class JobDetail(BaseModel):
    """A job with everything known about it.

    ``plan`` is unknown of jobs that an early version queued; ``takes`` are the jobs that keep sections of it, other
    exports among them, ``tree`` all takes of its video, the oldest first; ``shots`` are a film's.
    """

    job: JobView
    tasks: list[TaskView]
    attempts: list[AttemptView]
    artifacts: list[ArtifactView]
    plan: PlanView | None
    rendered: list[RenderedSection] = []
    takes: list[JobView] = []
    tree: list[TakeView] = []
    shots: list[ShotView] = []


class JobCheck(BaseModel):
    """What a job would be: the complete request, its plan, what its owner should know, and what would lie before it if
    it were queued now."""

    request: Submission
    plan: PlanView
    notes: list[str]
    outlook: OutlookView
