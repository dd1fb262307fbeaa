"""From a user's fields and files to a queued job, or to a look at what it would be."""

import uuid
from collections.abc import Mapping
from typing import Any

from farm.intake.queue import queue_job
from farm.intake.request import Accepted, accept
from farm.jobs.records import Job
from model.footage.media import Media

from .context import FarmContext


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
