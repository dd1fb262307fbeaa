"""What the API answers, as typed models, made from the records of farm.jobs and model.plan."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from farm.cluster.outlook import JobOutlook
from farm.jobs.plan_facts import plan_facts
from farm.jobs.records import Artifact, Job, JobState, Task
from farm.jobs.request import RenderRequest, slug
from model.family import FamilyInfo
from model.footage.buckets import Crop
from model.plan import Plan

MAX_SECTIONS = 10_000
SectionNumber = Annotated[int, Field(ge=0, lt=100_000)]


class View(BaseModel):
    """Base of all answers: read from records by attribute."""

    model_config = ConfigDict(from_attributes=True)


class ErrorBody(BaseModel):
    type: str
    message: str


class ErrorView(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


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


class JobView(View):
    """A job. ``counts``: its tasks per state, and ``steps_done`` and ``steps_total``; ``progress``: 0 to 1.

    ``unreadable`` says why this version can't read the request of another one; ``request`` is then as it was stored,
    with defaults for what is missing. A take of the job ``parent`` has its sections ``kept`` as they were.
    """

    id: str
    request: RenderRequest | dict[str, Any]
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
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    plan_digest: str
    counts: dict[str, int]
    progress: float
    outlook: OutlookView | None = None

    @classmethod
    def of(cls, job: Job, outlook: JobOutlook | None = None) -> Self:
        found = OutlookView.model_validate(outlook) if outlook else None
        return cls(**_job_values(job), outlook=found)


class JobCreated(JobView):
    """A job that was just queued. ``notes``: what its owner should know before it is rendered, a sentence each."""

    notes: list[str]

    @classmethod
    def created(cls, job: Job, notes: Sequence[str]) -> Self:
        return cls(**_job_values(job), notes=list(notes))


_DEFAULTS = RenderRequest(prompt="-").model_dump(mode="json")


def _job_values(job: Job) -> dict[str, Any]:
    trouble = job.stored.trouble
    request = {**_DEFAULTS, **job.stored.fields} if trouble else job.request
    return {**vars(job), "request": request, "unreadable": trouble, "progress": progress_of(job)}


class TakeForm(BaseModel):
    """Another go at ``sections`` and what depends on them, or at all ``from_section`` on; ``changes`` are request
    fields that differ. Sections count from 0."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"from_section": 0}]})

    sections: Annotated[list[SectionNumber], Field(max_length=MAX_SECTIONS)] | None = None
    from_section: SectionNumber | None = None
    changes: dict[str, Any] = {}


class JobList(BaseModel):
    """``total`` counts all that match, ``jobs`` holds the page asked for, newest first."""

    jobs: list[JobView]
    total: int


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
    id: str
    task_id: str
    number: int
    replica: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    failure: str | None
    message: str
    step: int
    steps: int
    device_class: str
    facts: dict[str, Any]


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


class AnchorView(BaseModel):
    """A picture or video that is given, and the second of the video at which it stands."""

    name: str
    second: float


class SectionView(BaseModel):
    """A section of the plan; ``first_frame`` and ``last_frame`` are pixel frames of the video, both inclusive.

    ``prompt`` is its resolved text, into which ``next_prompt`` is mixed with weight ``blend``; it sees ``anchors``.
    """

    index: int
    start: int
    stop: int
    first_frame: int
    last_frame: int
    predecessors: tuple[int, ...]
    level: int
    prompt: str
    next_prompt: str
    blend: float
    anchors: tuple[str, ...]


class PlanView(BaseModel):
    """A plan in numbers. ``seconds`` is the true length; ``depth`` the longest chain of sections."""

    order: str
    layout: str
    fps: int
    seconds: float
    requested_seconds: float
    frames: int
    latent_frames: int
    sections: int
    depth: int
    width: int
    speedup: float
    digest: str
    anchors: list[AnchorView]
    section_list: list[SectionView]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        return cls(**plan_facts(plan))


class PlanPreview(PlanView):
    """A plan before submission.

    ``makespan``: rounds of sections on ``devices`` equal devices; ``bucket``: height and width in pixels that the image
    is cropped to; ``crop``: left, top, right and bottom of what is kept of it, in its own pixels, and ``kept`` that
    part's share; ``experimental``: the model was not trained for this order; ``notes``: what to know before queueing.
    """

    devices: int
    makespan: int
    devices_speedup: float
    bucket: tuple[int, int]
    crop: tuple[float, float, float, float]
    kept: float
    tokens: int
    experimental: bool
    svg: str
    notes: list[str]

    @classmethod
    def preview(
        cls, plan: Plan, devices: int, crop: Crop, tokens: int, experimental: bool, svg: str, notes: list[str]
    ) -> Self:
        return cls(
            **plan_facts(plan),
            devices=devices,
            makespan=plan.makespan(devices),
            devices_speedup=plan.speedup(devices),
            bucket=crop.bucket,
            crop=crop.box,
            kept=round(crop.kept, 4),
            tokens=tokens,
            experimental=experimental,
            svg=svg,
            notes=notes,
        )


class JobCheck(BaseModel):
    """What a job would be: the complete request, its plan, and what its owner should know."""

    request: RenderRequest
    plan: PlanView
    notes: list[str]


class RenderedSection(BaseModel):
    """How a finished section was made. ``steps_computed``: per CFG branch, the steps that its cache did not skip."""

    index: int
    seconds: float
    replica: str
    device_class: str
    cache: str
    steps: int
    steps_computed: dict[str, int]


class JobDetail(BaseModel):
    """A job with everything known about it. ``plan`` is unknown of jobs that an early version queued;
    ``takes`` are the jobs that keep sections of it."""

    job: JobView
    tasks: list[TaskView]
    attempts: list[AttemptView]
    artifacts: list[ArtifactView]
    plan: PlanView | None
    rendered: list[RenderedSection] = []
    takes: list[JobView] = []


class EventView(View):
    """A line of a job's history, as sent in the event stream."""

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


class PresetView(BaseModel):
    name: str
    description: str
    source: str
    prompts: tuple[str, ...]
    values: dict[str, Any]


class BrokenView(BaseModel):
    path: str
    reason: str


class PresetList(BaseModel):
    presets: list[PresetView]
    broken: list[BrokenView]


class OrderView(BaseModel):
    """``trained_for``: the model families that were trained for this order; others run it as an experiment."""

    name: str
    summary: str
    trained_for: list[str]


class OrderList(BaseModel):
    orders: list[OrderView]


class ExporterView(View):
    name: str
    extension: str
    media_type: str


class ExporterList(BaseModel):
    exporters: list[ExporterView]


class PluginView(View):
    name: str
    source: str
    version: str
    enabled: bool
    reason: str
    offers: tuple[str, ...]


class PluginList(BaseModel):
    plugins: list[PluginView]


class ModelView(BaseModel):
    """A model family; when its checkpoint can't be used, ``error`` says why and the rest is empty."""

    name: str
    title: str = ""
    error: str = ""
    layout: str = ""
    window: int = 0
    orders: tuple[str, ...] = ()
    default_order: str = ""
    fps: int = 0
    max_seconds: float = 0
    buckets: tuple[tuple[int, int], ...] = ()
    resolution: int = 0
    resolutions: tuple[int, ...] = ()
    tiles: bool = False
    checkpoint_sha256: str = ""
    text_to_video: bool = False

    @classmethod
    def of(cls, info: FamilyInfo) -> Self:
        return cls(
            name=info.name,
            title=info.title,
            layout=str(info.layout),
            window=info.window,
            orders=info.orders,
            default_order=info.default_order,
            fps=info.fps,
            max_seconds=info.max_seconds,
            buckets=info.buckets,
            resolution=info.resolution,
            resolutions=info.resolutions,
            tiles=info.decoding.tile_above > 0,
            checkpoint_sha256=info.checkpoint_sha256,
            text_to_video=info.text_to_video,
        )


class ModelList(BaseModel):
    models: list[ModelView]


class LoraView(BaseModel):
    """A LoRA file that requests can name."""

    name: str
    bytes: int


class LoraList(BaseModel):
    loras: list[LoraView]


class DiskView(BaseModel):
    """Bytes of files, ``sizes`` by use; ``due``: what goes at the next sweep; ``spare``: what finished jobs could do
    without; latents are kept for ``keep_latents_days``, null for ever, and while the total is below ``budget``."""

    sizes: dict[str, int]
    total: int
    jobs: int
    due: int
    spare: int
    keep_latents_days: float | None
    budget: int | None


class DiskFreed(BaseModel):
    """``freed``: bytes that went; ``disk``: how it is now."""

    freed: int
    disk: DiskView


class Health(BaseModel):
    """``status``: ``ok``, or ``degraded`` when the database can't be read."""

    status: str
    version: str
    database: str


def progress_of(job: Job) -> float:
    """Share of the work done, 0 to 1: the denoising steps, and a few percent for what comes after them."""
    if job.state is JobState.COMPLETED:
        return 1.0
    total = job.counts.get("steps_total", 0)
    tasks = sum(n for state, n in job.counts.items() if not state.startswith("steps_"))
    steps = job.counts.get("steps_done", 0) / total if total else 0.0
    done = job.counts.get("done", 0) / tasks if tasks else 0.0
    return round(min(0.9 * steps + 0.1 * done, 0.999), 4)


def filename_of(job: Job, artifact: Artifact) -> str:
    """Such as ``the-puppet-dances-3f2a9c.mp4``."""
    suffix = PurePosixPath(artifact.key).suffix
    part = "" if artifact.name == "video" else f"-{artifact.name}"
    return f"{slug(job.name or job.prompt)}-{job.id[:8]}{part}{suffix}"
