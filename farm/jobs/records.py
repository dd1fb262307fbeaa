"""The farm's nouns as plain records: job, task, attempt, artifact, event. Tables in farm.store mirror them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from farm.errors import UnreadableJobError

from .exports import read_exports
from .order import Full, JobOrder, Terms
from .request import RenderRequest
from .shots import Shot
from .stored import StoredRequest
from .submission import Submission


class JobState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUNNABLE = (JobState.PENDING, JobState.RUNNING)
"""States of jobs whose tasks may start."""
ACTIVE = (*RUNNABLE, JobState.PAUSED)
"""States of jobs that have not ended."""
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class TaskKind(StrEnum):
    ENCODE = "encode"
    SECTION = "section"
    DECODE = "decode"
    EXPORT = "export"


class TaskState(StrEnum):
    WAITING = "waiting"
    """Some dependency is not done."""
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    RUNNING = "running"
    COMMITTED = "committed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    """It was committed, but another result stands in its place: what it made was damaged or went lost later and is made
    again, or another take of its section is better."""


class FailureKind(StrEnum):
    """Why an attempt ended without a result; only ``TASK`` uses up the task's retry budget."""

    TASK = "task"
    INPUT = "input"
    """What the user brought can't be used, now or ever: the job fails at once."""
    PLUGIN = "plugin"
    """A plug-in's own code failed, and would again: the job fails at once."""
    REPLICA = "replica"
    RESOURCES = "resources"
    DAMAGED = "damaged"
    """A file that another task had made is damaged or gone; that task runs again."""
    INTERRUPTION = "interruption"
    LOST = "lost"
    """Its replica, or a process that worked for it, died; too often in a row is the task's own fault."""
    DEVICE = "device"
    """The device reported an error that its process can't go on after; the seat's fault unless it follows the task."""
    NEVER_STARTED = "never_started"


HOPELESS = frozenset({FailureKind.INPUT, FailureKind.PLUGIN})
"""After these a task is not tried again by itself."""


@dataclass(frozen=True)
class Artifact:
    """A committed file. ``key`` is its path inside the artifact store, ``name`` unique within the job.

    Names: ``image``, ``conditioning``, ``latents-000``, ``frames-000``, ``video``, ``video-1``,
    ``contact_sheet``, ``manifest``, ``manifest-1``.
    """

    name: str
    key: str
    size: int
    sha256: str
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Task:
    """One node of a job's graph. ``name``: ``encode``, ``section-000``, ``section-000-take-1``, ``decode-000``,
    ``export`` or ``export-1``.

    ``work``: seconds that it would take on a device of speed 1; ``chain``: those of the longest chain from its start to
    the job's end. ``not_before``: it waits until then, after a failure. ``key``: its content address (``jobs.keys``).
    ``chosen``: of a section that was judged, the take that it is; it is rendered by that one should its file be lost.
    """

    id: str
    job_id: str
    name: str
    kind: TaskKind
    section: int | None
    dependencies: tuple[str, ...]
    state: TaskState = TaskState.WAITING
    failures: int = 0
    reason: str = ""
    work: float = 1.0
    chain: float = 1.0
    not_before: datetime | None = None
    key: str = ""
    chosen: int | None = None


@dataclass(frozen=True)
class Attempt:
    """One execution of a task by one replica. Its id fences every message and file of that execution.

    ``device_class`` and ``facts`` (seconds, memory plan, attention, steps computed ...) are known once it is committed.
    """

    id: str
    task_id: str
    job_id: str
    number: int
    replica: str
    state: AttemptState
    started_at: datetime
    finished_at: datetime | None = None
    failure: FailureKind | None = None
    message: str = ""
    step: int = 0
    steps: int = 0
    device_class: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """``family``: of the model. ``stored``: what was asked for, as the row has it; ``plan``: what ``plan_facts`` says
    of it, empty for a job of an early version. ``parent``: the job that this is a take of, whose sections ``kept`` are
    as they were. ``name`` to ``preset`` are the terms of its order (``jobs.order``), ``stored_exports`` what its video
    is exported as, ``stored_full`` what a draft is a draft of, both as the row has them. ``shots``: of a film, whose
    request is that of the first, and ``storyboard`` what it was made of; none otherwise."""

    id: str
    stored: StoredRequest
    state: JobState
    owner: str
    name: str
    prompt: str
    priority: int
    family: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    plan_digest: str = ""
    plan: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    kept: tuple[int, ...] = ()
    deadline: datetime | None = None
    mixing: bool = False
    labels: tuple[str, ...] = ()
    preset: str = ""
    batch: str = ""
    stored_full: dict[str, Any] = field(default_factory=dict)
    stored_exports: tuple[dict[str, Any], ...] = ({},)
    shots: tuple[Shot, ...] = ()
    storyboard: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Tasks per state; besides ``steps_done`` and ``steps_total``, ``sections_done`` and ``sections_total``."""
    idle_since: datetime | None = None
    """Since when nothing of it starts, as it is paused or has ended."""
    idle_seconds: float = 0.0
    """Breaks before: pauses, and the times between an end and another try."""

    def took(self, now: datetime) -> float | None:
        """Seconds from its start to its end, or to now, without the breaks; None before it has begun."""
        if self.started_at is None:
            return None
        until = self.idle_since or self.finished_at or now
        return max(0.0, (until - self.started_at).total_seconds() - self.idle_seconds)

    @property
    def request(self) -> RenderRequest:
        """What decides its video; UnreadableJobError when this version can't read it."""
        return self.stored.request

    @property
    def parts(self) -> tuple[Shot, ...]:
        """Its shots; of a job that is no film, the whole as the only one."""
        layout, fps = str(self.plan.get("layout", "")), int(self.plan.get("fps", 0))
        whole = Shot(self.name, self.stored, self.counts.get("sections_total", 0), 0, self.plan_digest, layout, fps)
        return self.shots or (whole,)

    @property
    def draft(self) -> bool:
        """Whether it was rendered as a draft."""
        return bool(self.stored_full)

    @property
    def full(self) -> Full | None:
        """What a draft is rendered with when it is promoted."""
        return Full.model_construct(**self.stored_full) if self.stored_full else None

    @property
    def job_order(self) -> JobOrder:
        """Who asks, and what for; UnreadableJobError as above."""
        terms = {name: getattr(self, name) for name in Terms.model_fields}
        return JobOrder.model_construct(**terms, exports=read_exports(self.stored_exports))

    @property
    def submission(self) -> Submission:
        """Both, as a user would send them; UnreadableJobError as above."""
        return Submission.of(self.request, self.job_order)

    @property
    def trouble(self) -> str:
        """Why this version can't read it; empty when it can."""
        try:
            self.submission  # noqa: B018 - read for its error
        except UnreadableJobError as error:
            return str(error)
        return ""


@dataclass(frozen=True)
class Event:
    """One line of a job's history: ``kind`` such as ``attempt_started``, ``attempt_committed``, ``replica_lost``."""

    id: int
    job_id: str
    at: datetime
    kind: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AttemptSpec:
    """Everything a replica needs to execute an attempt, without touching SQL.

    ``inputs`` maps artifact names to keys in the artifact store; ``output_prefix`` is the attempt's private folder
    there, in which the replica writes; the coordinator publishes what it wrote when the attempt commits.
    ``hashes`` maps the same names to the sha256 that the inputs were committed with. ``created_at``: when the job was
    submitted, by the head's clock and in its zone. ``layout`` and ``fps`` are what its plan needs of the family, so
    that no weights need be there for it; without them the family is asked. ``take``: which one of its section.

    In a film, ``request``, ``section``, ``plan_digest`` and the names of ``inputs`` are those of one shot by itself,
    number ``shot``, whose sections begin with the film's section ``first``; an export has all ``shots`` and the film's
    own names.
    """

    attempt_id: str
    job_id: str
    task_name: str
    kind: TaskKind
    section: int | None
    request: RenderRequest
    job_order: JobOrder
    plan_digest: str
    inputs: dict[str, str]
    output_prefix: str
    created_at: datetime
    hashes: dict[str, str] = field(default_factory=dict)
    layout: str = ""
    fps: int = 0
    take: int = 0
    shot: int = 0
    first: int = 0
    shots: tuple[Shot, ...] = ()


@dataclass(frozen=True)
class Progress:
    """What a replica is doing: the denoising step reached inside the attempt."""

    attempt_id: str
    step: int
    steps: int


@dataclass(frozen=True)
class Replica:
    """A packed model on one device, as last seen.

    ``state``: such as ``starting``, ``idle``, ``busy``, ``draining``, ``lost``. ``host``: of its node; ``seat``: its
    place there, such as ``cuda-0``; ``wanted``: what it was told, ``active`` or ``drained``. ``device_name``,
    ``capability``: the device's own; ``memory``: bytes that it may use there, None when unknown. ``speed``: units a
    second as measured on its sections, beside the ``expected_speed`` of its kind. ``models`` in its memory; ``loads``:
    when it read one lately, in seconds since 1970; ``trouble``: what went wrong last, and when. ``data``: what the
    cluster knows besides.
    """

    id: str
    node: str
    device: str
    state: str
    started_at: datetime
    seen_at: datetime
    device_class: str = ""
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    host: str = ""
    seat: str = ""
    wanted: str = "active"
    device_name: str = ""
    memory: int | None = None
    capability: str = ""
    speed: float | None = None
    expected_speed: float | None = None
    models: list[str] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    trouble: str = ""
    trouble_at: datetime | None = None
