"""Queueing an accepted job: its files are stored, then the job with its tasks appears in one transaction."""

from contextlib import suppress

from PIL import Image

from farm.errors import StorageError
from farm.jobs.graph import tasks_for
from farm.jobs.keys import task_keys
from farm.jobs.plan_facts import plan_facts
from farm.jobs.records import Artifact, Job
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from model.families import checkpoint
from model.footage.footage import FileFacts
from model.footage.media import Media

from .needs import needs_of
from .request import Accepted
from .reuse import adopt
from .takes import Take

LATENT_PIXELS = 8
"""Pixels per latent pixel, each way, of every family."""


def queue_job(
    store: JobStore,
    artifacts: ArtifactStore,
    accepted: Accepted,
    media: Media,
    job_id: str,
    idempotency_key: str | None = None,
    take: Take | None = None,
) -> Job:
    """Queue ``accepted`` as the new job ``job_id``; gives the one that was queued before under the same key, if any.

    What equal tasks of other jobs have made is taken over at once; a ``take`` also keeps sections of its parent.

    Raises:
        StorageError: files or job can't be written; then there is no job.
    """
    folder = f"jobs/{job_id}"
    keys = task_keys(
        accepted.request,
        accepted.plan,
        accepted.family.decoding,
        accepted.family.checkpoint_sha256,
        take.keys if take else None,
    )
    tasks = tasks_for(job_id, accepted.plan, accepted.family.decoding, section_work(accepted), keys)
    try:
        stored = [
            _store(artifacts, folder, name, data, accepted.facts.get(name)) for name, data in media.files().items()
        ]
        job = store.create_job(
            accepted.request,
            accepted.plan.digest(),
            tasks,
            stored,
            job_id=job_id,
            idempotency_key=idempotency_key,
            notes=accepted.notes,
            plan=plan_facts(accepted.plan),
            parent=take.parent if take else "",
            kept=take.kept if take else (),
            needs=needs_of(checkpoint(accepted.family.name)),
        )
    except BaseException:
        with suppress(StorageError):  # a store that can't be written may not be mended either; the first error counts
            artifacts.remove_prefix(folder)
        raise
    if job.id != job_id:  # the same key was sent before
        artifacts.remove_prefix(folder)
    elif adopt(store, artifacts, job_id, devices_of(store), take.keys if take else ()):
        job = store.get_job(job_id)
    return job


def devices_of(store: JobStore) -> frozenset[str] | None:
    """The kinds of devices on which the farm works now; None when it has no replica yet."""
    return frozenset(replica.device_class for replica in store.replicas()) or None


def section_work(accepted: Accepted) -> float:
    """Seconds that a section takes on a device of speed 1: its tokens, steps and passes."""
    request, family = accepted.request, accepted.family
    height, width = _bucket(accepted)
    tokens = accepted.plan.layout.tokens(height // LATENT_PIXELS, width // LATENT_PIXELS)
    return tokens * request.steps * (2 if request.cfg > 1 else 1) * family.token_seconds


def _bucket(accepted: Accepted) -> tuple[int, int]:
    resolution = accepted.request.resolution
    for facts in accepted.facts.values():
        return accepted.family.bucket(facts.height, facts.width, resolution)
    return accepted.family.buckets_at(resolution)[0]


def _store(artifacts: ArtifactStore, folder: str, name: str, data: bytes, facts: FileFacts | None) -> Artifact:
    if facts is not None and facts.format:
        extension, media_type = facts.format.lower(), Image.MIME.get(facts.format, "application/octet-stream")
    elif data[4:8] == b"ftyp":
        extension, media_type = "mp4", "video/mp4"
    else:
        extension, media_type = "video", "application/octet-stream"
    return artifacts.write(f"{folder}/{name}.{extension}", data, name=name, media_type=media_type)
