"""Which of an owner's jobs goes first, and which task of a job."""

import math
from dataclasses import dataclass
from typing import Protocol

STRETCH = 2.0
"""A job of n units is served as if it had come in n times that many seconds later: short ones pass long ones, and none
waits for ever, since those that come in later are later still."""

CRITICAL = 0.9
"""A chain that takes this part of the time that the whole backlog takes can't wait: it would be what ends last."""

AT_RISK = 1.5
"""A deadline is at risk when no more than this many times the job's longest chain is left until then."""

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


@dataclass(frozen=True, slots=True)
class Pressure:
    """What makes some tasks urgent at this moment.

    ``now``: clock seconds; ``fastest``: units a second of the fastest seat; ``horizon``: seconds that all seats need
    for all that is not done; ``critical``: units; chains from that length on would end last if they started later.
    """

    now: float
    fastest: float
    horizon: float
    critical: float

    @classmethod
    def of(cls, now: float, backlog: float, speeds: dict[float, int]) -> "Pressure":
        """``backlog``: units of all that is not done; ``speeds``: how many seats there are of each speed."""
        fastest = max(speeds, default=1.0)
        together = sum(speed * speeds[speed] for speed in sorted(speeds))
        horizon = backlog / together if backlog and together else math.inf
        return cls(now, fastest, horizon, CRITICAL * fastest * horizon)

    def at_risk(self, deadline: float, chain: float) -> bool:
        """Whether the job can still be in time, and may not be if it waits; one that is too late has no claim."""
        left = deadline - self.now
        return 0 < left <= AT_RISK * chain / self.fastest
