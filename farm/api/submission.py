"""From a user's fields and files to a queued job, or to a look at what it would be."""

import uuid
from collections.abc import Mapping
from typing import Any

from farm.intake.queue import queue_job
from farm.intake.request import Accepted, accept
from farm.intake.takes import accept_take
from farm.jobs.records import Job
from model.footage.media import Media

from .context import FarmContext
from .schemas import TakeForm


def check_job(farm: FarmContext, fields: Mapping[str, Any], media: Media) -> Accepted:
    """Check a job as ``submit_job`` does, and store nothing; InputError when the fields or a file can't be used."""
    farm.plugins.reload_presets()
    return accept(fields, media, plugins=farm.plugins)


def submit_job(
    farm: FarmContext, fields: Mapping[str, Any], media: Media, idempotency_key: str | None = None
) -> tuple[Job, Accepted]:
    """Check the input, store the files, then create the job with its tasks in one transaction.

    Raises:
        InputError: the fields or a file can't be used.
        StorageError: files or job can't be written; then there is no job.
    """
    accepted = check_job(farm, fields, media)
    job = queue_job(farm.store, farm.artifacts, accepted, media, uuid.uuid4().hex, idempotency_key)
    return job, accepted


def submit_take(farm: FarmContext, job: Job, take: TakeForm) -> tuple[Job, Accepted]:
    """Check another go at some sections of ``job`` and queue it.

    Raises:
        InputError: a section does not exist, or a change needs a whole new job.
        ConflictError: what is to be kept is not finished.
    """
    farm.plugins.reload_presets()
    found = accept_take(
        farm.store,
        farm.artifacts,
        job,
        take.changes,
        sections=take.sections,
        first=take.from_section,
        plugins=farm.plugins,
    )
    queued = queue_job(farm.store, farm.artifacts, found.accepted, found.media, uuid.uuid4().hex, take=found.take)
    return queued, found.accepted
