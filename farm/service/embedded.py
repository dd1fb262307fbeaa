"""Render one video without a service: a small Ray on this machine, for as long as the job takes.

The job lives in a database of its own (``FARM_HOME/embedded``), so a running service and several renders never
mistake each other's work for theirs. What is finished is kept: the same request and image again go on where an
interrupted render stopped.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farm.errors import ClusterError, ConflictError, NotFoundError, StorageError
from farm.intake.films import AcceptedFilm
from farm.intake.queue import queue_film, queue_job
from farm.intake.request import Accepted
from farm.jobs.events import EventKind
from farm.jobs.names import files_of
from farm.jobs.records import (
    ENDED,
    Job,
    JobState,
    Task,
)
from farm.retention.sweep import tidy
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from farm.store.jobs import JobStore
from farm.units import counted
from model.footage.media import Media

from .local_ray import LocalRay, RayLostError, local_ray

POLL_SECONDS = 0.1
RAYS = 3
"""How many Rays one render may use up."""
SILENCE_SECONDS = 60.0
"""Longest time that the coordinator may not answer, restarts included."""

log = logging.getLogger(__name__)

SETTLED = (*ENDED, JobState.PAUSED)
OnUpdate = Callable[[Job, list[Task]], None]
OnPhase = Callable[[str], None]


def embedded_settings(settings: Settings) -> Settings:
    """``settings`` with the database and artifacts of embedded renders; plug-ins and presets stay those of the home."""
    folder = settings.home / "embedded"
    return replace(
        settings, database_url=f"sqlite:///{folder / 'farm.sqlite3'}", artifacts_url=(folder / "artifacts").as_uri()
    )


def render(
    accepted: Accepted | AcceptedFilm,
    media: Media | bytes,
    settings: Settings,
    on_update: OnUpdate = lambda job, tasks: None,
    *,
    on_phase: OnPhase = lambda phase: None,
    replicas: int | None = None,
) -> Job:
    """Render one job to its end and return it, completed or failed.

    Args:
        accepted, media: what to render, a film with its own files; the same pair resumes its unfinished job and returns
            its finished one.
        settings: the home to use.
        on_update: called about ten times a second with the job and its tasks.
        on_phase: told what it is at before work begins, such as "loading puppet on 2 replicas"; then an empty text.
        replicas: use no more than that many; default: one per GPU, or per CPU core.

    Raises:
        KeyboardInterrupt: Ctrl-C; finished sections are kept.
        ClusterError: Ray can't be started, or broke down.
        StorageError: the home can't be written, or the disk ran full; finished sections are kept.
        ConflictError: another process is rendering the same job.
    """
    settings.ensure_home()
    own = embedded_settings(settings)
    (settings.home / "embedded").mkdir(exist_ok=True)
    store = JobStore(own.database_url)
    try:
        store.migrate()
        job = prepare_job(store, open_store(own), accepted, media)
        on_update(job, store.tasks(job.id))
        if job.state is JobState.COMPLETED:
            return job
        with _only_once(settings.home / "embedded" / f"{job.id}.lock"):
            job = _run_to_the_end(own, store, job, on_update, on_phase, replicas)
        if job.state is JobState.COMPLETED:
            tidy(store, open_store(own), job.id)
        return job
    finally:
        store.close()


def prepare_job(
    store: JobStore, artifacts: ArtifactStore, accepted: Accepted | AcceptedFilm, media: Media | bytes
) -> Job:
    """The job of this request and its files, ready to run: a new one, or the one begun earlier."""
    job_id = _digest(accepted)[:16]

    def queued() -> Job:
        if isinstance(accepted, AcceptedFilm):
            return queue_film(store, artifacts, accepted, job_id)
        return queue_job(store, artifacts, accepted, Media.of(media), job_id)

    try:
        job = store.get_job(job_id)
    except NotFoundError:
        return queued()
    if job.state is JobState.COMPLETED and not _is_whole(store, artifacts, job):
        store.delete_job(job_id)
        return queued()
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        job = store.retry_job(job_id)
    if job.state is JobState.PAUSED:
        job = store.resume_job(job_id)
    return job


def _digest(accepted: Accepted | AcceptedFilm) -> str:
    """Of all that decides the files."""
    shots = accepted.shots if isinstance(accepted, AcceptedFilm) else ()
    first = shots[0].accepted if shots else accepted
    assert isinstance(first, Accepted)
    digest = hashlib.sha256(first.request.digest.encode())
    digest.update(accepted.job_order.model_dump_json(include={"name", "exports"}).encode())
    digest.update(first.family.checkpoint_sha256.encode())
    for shot in shots:
        digest.update(f"{shot.name} {shot.fade} {shot.accepted.request.digest}".encode())
    return digest.hexdigest()


def _is_whole(store: JobStore, artifacts: ArtifactStore, job: Job) -> bool:
    known = store.artifacts(job.id)
    return all(artifacts.exists(known[name].key) for name in files_of(len(job.stored_exports)))


def fetch(settings: Settings, job: Job, targets: Mapping[str, Path]) -> None:
    """Copy artifacts of a completed render, by name, to files that never exist half-written.

    Raises:
        StorageError: a target can't be written.
    """
    own = embedded_settings(settings)
    artifacts, store = open_store(own), JobStore(own.database_url)
    known = store.artifacts(job.id)
    store.close()
    asides = {name: path.with_name(f".{path.name}.partial") for name, path in targets.items()}
    try:
        for name, aside in asides.items():
            shutil.copyfile(artifacts.path(known[name].key), aside)
        for name, path in targets.items():
            asides[name].replace(path)
    except OSError as error:
        raise StorageError(f"can't write {error.filename2 or error.filename}: {error.strerror}.") from error
    finally:
        for aside in asides.values():
            aside.unlink(missing_ok=True)


def _run_to_the_end(
    settings: Settings, store: JobStore, job: Job, on_update: OnUpdate, on_phase: OnPhase, replicas: int | None
) -> Job:
    """Run the job on a Ray of its own, and on another one should that die."""
    for left in reversed(range(RAYS)):
        try:
            on_phase("starting Ray")
            with local_ray(settings, replicas) as ray:
                return _run(settings, store, job, on_update, on_phase, replicas, ray)
        except RayLostError as error:
            if not left:
                raise ClusterError(f"{error} Run the same command again, finished sections are kept.") from error
            log.warning("%s Starting another one; finished sections are kept.", error)
            job = store.get_job(job.id)
    raise AssertionError("unreachable")


def _run(
    settings: Settings,
    store: JobStore,
    job: Job,
    on_update: OnUpdate,
    on_phase: OnPhase,
    replicas: int | None,
    local: LocalRay,
) -> Job:
    import ray

    from farm.cluster.coordinator import start_coordinator

    on_phase("starting the coordinator")
    coordinator = start_coordinator(settings, job.id, replicas)
    since, before = datetime.now(UTC), _progress_of(job)
    watch = _Heartbeat(coordinator, local)
    try:
        while job.state not in SETTLED:
            time.sleep(POLL_SECONDS)
            watch.check()
            job = store.get_job(job.id)
            on_phase("" if _progress_of(job) != before else _awaited(store, job, since))
            on_update(job, store.tasks(job.id))
        if job.state is JobState.PAUSED:
            reasons = [
                event.message for event in store.events(job.id, limit=10_000) if event.kind == EventKind.JOB_BLOCKED
            ]
            raise StorageError(reasons[-1] if reasons else "the job was paused; run the same command to go on.")
        return job
    except RayLostError:
        raise
    except BaseException:
        with suppress(ray.exceptions.RayError):  # what it can't record is found out by the next render of this job
            ray.get(coordinator.stop.remote(), timeout=20)
        raise


def _progress_of(job: Job) -> tuple[int, int]:
    """What changes as soon as anything is rendered."""
    return job.counts.get("done", 0), job.counts.get("steps_done", 0)


def _awaited(store: JobStore, job: Job, since: datetime) -> str:
    """What has to come before anything is rendered."""
    there = [replica for replica in store.replicas() if replica.started_at >= since]
    if not any(attempt.started_at >= since for attempt in store.attempts(job.id)):
        return "starting replicas" if not there else f"starting {_replicas(len(there))}"
    return f"loading {job.family} on {_replicas(len(there))}"


def _replicas(count: int) -> str:
    return counted(count, "replica")


class _Heartbeat:
    """Notices when Ray or the coordinator is gone for good; a restart of the latter in between is fine."""

    def __init__(self, coordinator: Any, local: LocalRay) -> None:
        self._coordinator, self._local = coordinator, local
        self._heard = self._asked = time.monotonic()
        self._answer: Any = None

    def check(self) -> None:
        """Raises RayLostError when Ray is dead, or after ``SILENCE_SECONDS`` without an answer."""
        import ray

        self._local.check()
        now = time.monotonic()
        try:
            if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
                answer, self._answer = self._answer, None
                ray.get(answer)
                self._heard = now
            elif self._answer is None and now - self._asked > 1.0:
                self._asked = now
                self._answer = self._coordinator.status.remote()
        except ray.exceptions.RayError:
            self._answer = None
        if now - self._heard > SILENCE_SECONDS:
            raise RayLostError(f"the render's coordinator has not answered for {SILENCE_SECONDS:.0f} s.")


@contextmanager
def _only_once(path: Path) -> Iterator[None]:
    """Hold the job's lock file; the system frees it when this process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(
                "this very job is being rendered by another process; wait for it, or change the seed."
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
