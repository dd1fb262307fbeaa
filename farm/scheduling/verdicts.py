"""Attempts that ended, and what may become of a task, its job and a seat."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from farm.jobs.records import FailureKind

Seats = AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that ended. ``kind``: None when it was committed; ``model``: whether it took a model."""

    task_id: str
    job_id: str
    seat: str
    node: str
    kind: FailureKind | None
    at: float
    message: str = ""
    model: bool = True


History = Sequence[Ended]
"""Of a task or of a seat, the oldest first."""


@dataclass(frozen=True, slots=True)
class Again:
    """The task is tried again, not before that moment, and on none of these seats."""

    not_before: float
    avoid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Fails:
    """The task fails, and its job with it."""

    message: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The job waits for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rest:
    """The seat gets nothing until then."""

    until: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The seat gets one ordinary task at ``probe_at``, and others once that is done. ``probes``: failed so far."""

    reason: str
    probe_at: float
    probes: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """The seat's process is ended and replaced; then the seat rests or is quarantined."""

    reason: str
    then: Rest | Quarantine | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's end leads to.

    ``task``: None when it is done; ``charges``: failures that count against the task now; ``seat``: what becomes of its
    seat; ``others``: seats whose quarantine begins with this attempt, or ends (None), its own after a success too.
    """

    task: Again | Fails | None = None
    job: Pause | None = None
    seat: Rest | Quarantine | End | None = None
    charges: int = 0
    others: Mapping[str, Quarantine | None] = field(default_factory=dict)
