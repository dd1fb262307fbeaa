"""Which of an owner's jobs goes first, and which task of a job."""

from typing import Protocol

STRETCH = 2.0
"""A job of n units is served as if it had come in n times that many seconds later: short ones pass long ones, and none
waits for ever, since those that come in later are later still."""

Key = tuple[float, ...]


class Urgent(Protocol):
    """What is asked of a job here; see ``view.JobView``."""

    @property
    def priority(self) -> int: ...
    @property
    def rank(self) -> float: ...
    @property
    def submitted(self) -> float: ...
    @property
    def remaining(self) -> float: ...
    @property
    def deadline(self) -> float | None: ...


def job_key(job: Urgent) -> Key:
    """The job's place among its owner's, lower first: priority, the place that a person gave it, age and length."""
    return (-job.priority, job.rank, job.submitted + STRETCH * job.remaining)
