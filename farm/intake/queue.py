"""Queueing an accepted job: its files are stored, then the job with its tasks appears in one transaction."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from PIL import Image

from farm.errors import StorageError
from farm.jobs.graph import film_tasks, tasks_for
from farm.jobs.keys import task_keys
from farm.jobs.names import in_film, in_shot
from farm.jobs.plan_facts import plan_facts
from farm.jobs.records import Artifact, Job, Task
from farm.jobs.shots import Shot
from farm.jobs.stored import StoredRequest
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from model.families import checkpoint
from model.footage.buckets import Bucket
from model.footage.footage import FileFacts
from model.footage.media import AUDIO, Media, sound_kind

from .needs import assets_for, needs_of
from .orders import section_units
from .request import Accepted
from .reuse import adopt
from .takes import Take

if TYPE_CHECKING:
    from .films import AcceptedFilm


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
    kept = take.keys if take else {}
    tasks = tasks_of(job_id, accepted, kept, len(accepted.job_order.exports))
    folder = _folder(job_id)
    with _all_or_nothing(artifacts, folder):
        stored = [
            _store(artifacts, folder, name, data, accepted.facts.get(name)) for name, data in media.files().items()
        ]
        job = store.create_job(
            accepted.request,
            accepted.plan.digest(),
            tasks,
            stored,
            order=accepted.job_order,
            job_id=job_id,
            idempotency_key=idempotency_key,
            notes=accepted.notes,
            plan=plan_facts(accepted.plan),
            parent=take.parent if take else "",
            kept=take.kept if take else (),
            needs=needs_of(checkpoint(accepted.family.name, accepted.settings)),
            assets=assets_for(accepted),
        )
    return _queued(store, artifacts, job, folder, kept)


def queue_film(
    store: JobStore,
    artifacts: ArtifactStore,
    film: "AcceptedFilm",
    job_id: str,
    idempotency_key: str | None = None,
    take: Take | None = None,
) -> Job:
    """As ``queue_job``, a film: one job, whose shots are rendered side by side."""
    kept, parts = take.keys if take else {}, list[list[Task]]()
    shots, stored = list[Shot](), list[Artifact]()
    folder = _folder(job_id)
    with _all_or_nothing(artifacts, folder):
        for number, each in enumerate(film.shots):
            made, first = each.accepted, shots[-1].first + shots[-1].sections if shots else 0
            parts.append(tasks_of(job_id, made, kept, 0, number, first))
            for name, data in each.media.files().items():
                file = _store(artifacts, folder, in_film(name, number, first), data, made.facts.get(name))
                stored.append(file)
            shots.append(
                Shot(
                    each.name,
                    StoredRequest.of(made.request),
                    len(made.plan.sections),
                    first,
                    made.plan.digest(),
                    str(made.plan.layout),
                    made.plan.fps,
                    each.fade,
                )
            )
        first_shot, plan, order = film.shots[0].accepted, film.plan, film.job_order
        job = store.create_job(
            first_shot.request,
            plan["digest"],
            film_tasks(job_id, parts, len(order.exports)),
            stored,
            order=order,
            job_id=job_id,
            idempotency_key=idempotency_key,
            notes=film.notes,
            plan=plan,
            parent=take.parent if take else "",
            kept=take.kept if take else (),
            needs=needs_of(checkpoint(first_shot.family.name, first_shot.settings)),
            assets=frozenset().union(*(assets_for(each.accepted) for each in film.shots)),
            shots=shots,
            storyboard=film.storyboard,
        )
    return _queued(store, artifacts, job, folder, kept)


def tasks_of(
    job_id: str, accepted: Accepted, kept: Mapping[str, str], exports: int, shot: int = 0, first: int = 0
) -> list[Task]:
    """Of a video, or of a shot by itself; ``kept``: keys by the names of tasks in the whole job."""
    family = accepted.family
    own = {name: key for known, key in kept.items() if in_film(name := in_shot(known, first), shot, first) == known}
    keys = task_keys(accepted.request, accepted.plan, family.decoding, family.checkpoint_sha256, own)
    return tasks_for(job_id, accepted.plan, family.decoding, section_work(accepted), keys, exports)


@contextmanager
def _all_or_nothing(artifacts: ArtifactStore, folder: str) -> Iterator[None]:
    """Remove the files again when the job does not come about."""
    try:
        yield
    except BaseException:
        with suppress(StorageError):  # a store that can't be written may not be mended either; the first error counts
            artifacts.remove_prefix(folder)
        raise


def _queued(store: JobStore, artifacts: ArtifactStore, job: Job, folder: str, kept: Collection[str]) -> Job:
    if folder != _folder(job.id):  # the same key was sent before
        artifacts.remove_prefix(folder)
    elif adopt(store, artifacts, job.id, devices_of(store), kept):
        job = store.get_job(job.id)
    return job


def _folder(job_id: str) -> str:
    return f"jobs/{job_id}"


def devices_of(store: JobStore) -> frozenset[str] | None:
    """The kinds of devices on which the farm works now; None when it has no replica yet."""
    return frozenset(replica.device_class for replica in store.replicas()) or None


def section_work(accepted: Accepted) -> float:
    """Seconds that a section takes on a device of speed 1."""
    return section_units(accepted.request, accepted.family, accepted.plan.layout, bucket_of(accepted))


def bucket_of(accepted: Accepted) -> Bucket:
    """Height and width of the video."""
    resolution = accepted.request.resolution
    for facts in accepted.facts.values():
        return accepted.family.bucket(facts.height, facts.width, resolution)
    return accepted.family.buckets_at(resolution)[0]


def _store(artifacts: ArtifactStore, folder: str, name: str, data: bytes, facts: FileFacts | None) -> Artifact:
    if name == AUDIO:
        extension, media_type = sound_kind(data)
    elif facts is not None and facts.format:
        extension, media_type = facts.format.lower(), Image.MIME.get(facts.format, "application/octet-stream")
    elif data[4:8] == b"ftyp":
        extension, media_type = "mp4", "video/mp4"
    else:
        extension, media_type = "video", "application/octet-stream"
    return artifacts.write(f"{folder}/{name}.{extension}", data, name=name, media_type=media_type)
