"""Carrying out what the policy decides: rows first, then the files that they named."""

import logging
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from farm.errors import ConflictError, FarmError, NotFoundError
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore

from .policy import JobFiles, Keep, Removal, Use, removals

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disk:
    """What the farm's files take. ``sizes``: bytes by use, logs among them; ``due``: what goes at the next sweep;
    ``spare``: what would go if all that finished jobs can do without went now."""

    sizes: dict[str, int]
    jobs: int
    due: int
    spare: int


def look(store: JobStore, keep: Keep, now: float | None = None, logs: Mapping[str, int] | None = None) -> Disk:
    """What there is, and what would go. ``logs``: bytes of those, see ``log_sizes``."""
    jobs = files_of(store)
    now = time.time() if now is None else now
    logs = logs or {}
    sizes = {use.value: sum(job.sizes.get(use, 0) for job in jobs) for use in Use}
    spare = sum(removal.size for removal in removals(jobs, Keep(0.0, 0), now + 1))
    due = sum(removal.size for removal in removals(jobs, keep, now, sum(logs.values())))
    return Disk({**sizes, **logs}, len(jobs), due, spare)


def keep_of(settings: Settings) -> Keep:
    """What the settings say."""
    days, gigabytes = settings.keep_latents_days, settings.disk_budget_gb
    return Keep(days if math.isfinite(days) else None, round(gigabytes * 1e9) if math.isfinite(gigabytes) else None)


def tidy(store: JobStore, artifacts: ArtifactStore, job_id: str) -> int:
    """Remove what a job can do without right after its end; returns the bytes that went."""
    return sweep(store, artifacts, Keep(None), job_ids=[job_id])


def sweep(
    store: JobStore,
    artifacts: ArtifactStore,
    keep: Keep,
    now: float | None = None,
    job_ids: Collection[str] | None = None,
    beside: int = 0,
) -> int:
    """Remove what the policy says of all jobs, or of some; returns the bytes that went. A job's trouble is its own.
    ``beside``: see ``removals``."""
    freed = 0
    for removal in removals(files_of(store, job_ids), keep, time.time() if now is None else now, beside):
        try:
            freed += _remove(store, artifacts, removal)
        except (ConflictError, NotFoundError):
            continue  # it runs again, or was deleted, since
        except FarmError as error:
            log.warning("job %s: %s", removal.job_id, error)
    return freed


def files_of(store: JobStore, job_ids: Collection[str] | None = None) -> list[JobFiles]:
    """The files of all jobs, or of some, as the policy sees them."""
    return [
        JobFiles(one.job_id, one.finished, {Use(use): size for use, size in one.sizes.items()}, one.needed)
        for one in store.files_by_use(job_ids)
    ]


def _remove(store: JobStore, artifacts: ArtifactStore, removal: Removal) -> int:
    for key in store.forget_files(removal.job_id, [use.value for use in removal.uses]):
        artifacts.remove_prefix(key)
    return removal.size
