"""The farm's nouns as plain records: job, task, attempt, artifact, event. Tables in farm.store mirror them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .request import RenderRequest
from .stored import StoredRequest


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
    """It was committed, but what it made was damaged or went lost later, and is made again."""


class FailureKind(StrEnum):
    """Why an attempt ended without a result; only ``TASK`` uses up the task's retry budget."""

    TASK = "task"
    INPUT = "input"
    """What the user brought can't be used, now or ever: the job fails at once."""
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


@dataclass(frozen=True)
class Artifact:
    """A committed file. ``key`` is its path inside the artifact store, ``name`` unique within the job.

    Names: ``image``, ``conditioning``, ``latents-000``, ``frames-000``, ``video``, ``contact_sheet``, ``manifest``.
    """

    name: str
    key: str
    size: int
    sha256: str
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Task:
    """One node of a job's graph. ``name``: ``encode``, ``section-000``, ``decode-000`` or ``export``.

    ``work``: seconds that it would take on a device of speed 1; ``chain``: those of the longest chain from its start to
    the job's end. ``not_before``: it waits until then, after a failure. ``key``: its content address (``jobs.keys``).
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
    as they were. ``deadline``: when it should be done; ``mixing``: several kinds of devices may render it; ``labels``:
    all that a node must have to work for it."""

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
    counts: dict[str, int] = field(default_factory=dict)
    """Tasks per state, and under ``steps_done`` / ``steps_total`` the denoising steps."""

    @property
    def request(self) -> RenderRequest:
        """What was asked for; UnreadableJobError when this version can't read it."""
        return self.stored.request


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
    ``hashes`` maps the same names to the sha256 that the inputs were committed with.
    """

    attempt_id: str
    job_id: str
    task_name: str
    kind: TaskKind
    section: int | None
    request: RenderRequest
    plan_digest: str
    inputs: dict[str, str]
    output_prefix: str
    hashes: dict[str, str] = field(default_factory=dict)


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
