"""What can happen that people want to be told of, and the words for it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Happening(StrEnum):
    JOB_COMPLETED = "job_completed"
    JOB_FAILED = "job_failed"
    JOB_CANCELLED = "job_cancelled"
    JOB_BLOCKED = "job_blocked"
    """It waits for a person."""
    QUEUE_EMPTY = "queue_empty"
    """The last job has ended, or waits for a person."""
    NODE_LOST = "node_lost"
    """A machine that nobody sent away is gone."""
    DISK_LOW = "disk_low"
    """The disk with the farm's home is nearly full."""


OF_JOBS = (Happening.JOB_COMPLETED, Happening.JOB_FAILED, Happening.JOB_CANCELLED, Happening.JOB_BLOCKED)
"""Those that are lines of a job's history, by the same names."""


@dataclass(frozen=True)
class Notice:
    """One thing that happened. ``key``: no other has it; ``at``: ISO time; ``job`` to ``state``: of the job, if it is
    about one."""

    key: str
    event: Happening
    at: str
    message: str
    job: str = ""
    name: str = ""
    owner: str = ""
    state: str = ""

    @property
    def title(self) -> str:
        """One line for a subject."""
        about = f"{self.name or self.job[:8]}: " if self.job else ""
        return f"{about}{self.event.value.replace('_', ' ')}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
