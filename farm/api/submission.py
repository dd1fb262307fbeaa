"""From a user's fields and files to a queued job, or to a look at what it would be."""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from farm.films.storyboard import Storyboard
from farm.intake.capacity import capacity_of
from farm.intake.exports import accept_exports
from farm.intake.films import AcceptedFilm, accept_film
from farm.intake.queue import queue_film, queue_job
from farm.intake.request import Accepted, accept
from farm.intake.takes import AcceptedTake, accept_promotion, accept_take
from farm.jobs.records import Job
from model.footage.media import Media

from .context import FarmContext
from .job_forms import ExportForm, TakeForm


def check_job(farm: FarmContext, fields: Mapping[str, Any], media: Media) -> Accepted:
    """Check a job as ``submit_job`` does, and store nothing; InputError when the fields or a file can't be used."""
    farm.plugins.reload_presets()
    look = partial(capacity_of, farm.store)
    return accept(fields, media, plugins=farm.plugins, look=look, settings=farm.settings)


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


def submit_take(farm: FarmContext, job: Job, take: TakeForm) -> tuple[Job, Accepted | AcceptedFilm]:
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
        settings=farm.settings,
    )
    return _queue(farm, found)


def submit_promotion(farm: FarmContext, job: Job) -> tuple[Job, Accepted | AcceptedFilm]:
    """Queue a draft in full; ConflictError when ``job`` is none."""
    farm.plugins.reload_presets()
    return _queue(farm, accept_promotion(farm.store, farm.artifacts, job, farm.plugins, farm.settings))


def submit_exports(farm: FarmContext, job: Job, form: ExportForm) -> tuple[Job, Accepted | AcceptedFilm]:
    """Check other exports of ``job`` and queue them.

    Raises:
        InputError: there is no such exporter, or an option can't be used.
        ConflictError: the job is not rendered, or its latents are gone.
    """
    found = accept_exports(farm.store, farm.artifacts, job, form.exports, farm.plugins, form.audio, farm.settings)
    return _queue(farm, found)


def check_film(
    farm: FarmContext, storyboard: Storyboard, pictures: Mapping[str, bytes], audio: bytes | None
) -> AcceptedFilm:
    """Check a film as ``submit_film`` does, and store nothing; InputError names the shot that can't be made."""
    farm.plugins.reload_presets()
    look = partial(capacity_of, farm.store)
    return accept_film(storyboard, pictures, audio, plugins=farm.plugins, look=look, settings=farm.settings)


def submit_film(farm: FarmContext, film: AcceptedFilm, idempotency_key: str | None = None) -> Job:
    """Queue a checked film; StorageError when files or job can't be written, and then there is no job."""
    return queue_film(farm.store, farm.artifacts, film, uuid.uuid4().hex, idempotency_key)


def _queue(farm: FarmContext, found: AcceptedTake) -> tuple[Job, Accepted | AcceptedFilm]:
    job_id = uuid.uuid4().hex
    if isinstance(found.accepted, AcceptedFilm):
        job = queue_film(farm.store, farm.artifacts, found.accepted, job_id, take=found.take)
    else:
        job = queue_job(farm.store, farm.artifacts, found.accepted, found.media, job_id, take=found.take)
    return job, found.accepted
