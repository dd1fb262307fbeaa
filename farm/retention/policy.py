"""Which files of which jobs go now: a pure decision on what the rows say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DAY = 86_400.0
LATENT_DAYS = 30.0


class Use(StrEnum):
    """What files of a job are for."""

    VIDEO = "video"
    """What people come for: video, contact sheet and manifest."""
    GIVEN = "given"
    """Pictures and videos that the job came with."""
    LATENTS = "latents"
    """Rendered sections: other exports, redo and fork start from them."""
    PREVIEWS = "previews"
    WORK = "work"
    """Decoded chunks and conditioning: large, and made again in moments."""


@dataclass(frozen=True)
class Keep:
    """``latent_days``: how long after a job's end its latents are kept, None for ever; ``budget``: bytes beyond which
    the oldest latents go earlier, None for no limit."""

    latent_days: float | None = LATENT_DAYS
    budget: int | None = None


@dataclass(frozen=True)
class JobFiles:
    """The files of a job in bytes by use. ``finished``: seconds since 1970 of its completion, None for any other job;
    ``needed``: another job that has not ended is a take of it."""

    job_id: str
    finished: float | None
    sizes: Mapping[Use, int] = field(default_factory=dict)
    needed: bool = False


@dataclass(frozen=True)
class Removal:
    """These files of that job."""

    job_id: str
    uses: frozenset[Use]
    size: int


def removals(jobs: Iterable[JobFiles], keep: Keep, now: float, beside: int = 0) -> list[Removal]:
    """What goes now, the oldest jobs first: work files of completed jobs, latents after their time or over the budget.
    ``beside``: bytes of other files, which stay, and which the budget is for, too.

    A job that is not completed keeps everything, and so does one that another job is a take of and has not ended.
    """
    jobs = sorted(jobs, key=lambda job: (job.finished or now, job.job_id))
    total = beside + sum(size for job in jobs for size in job.sizes.values())
    found: list[Removal] = []
    for job in jobs:
        if job.finished is None or job.needed:
            continue
        uses = {Use.WORK}
        over = keep.budget is not None and total > keep.budget
        if over or (keep.latent_days is not None and now - job.finished > keep.latent_days * DAY):
            uses |= {Use.LATENTS, Use.PREVIEWS}
        size = sum(job.sizes.get(use, 0) for use in uses)
        if size:
            found.append(Removal(job.job_id, frozenset(uses), size))
            total -= size
    return found
