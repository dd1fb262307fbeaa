"""From a task to an attempt's specification, and from its files to committed artifacts. No Ray."""

import errno
import logging
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farm.errors import (
    CancelledError,
    CheckpointError,
    DamagedArtifactError,
    FarmError,
    InputError,
    NotFoundError,
    ProcessLostError,
    ShelvedJobError,
    StorageError,
)
from farm.jobs.names import CONDITIONING, attempt_folder, latents_name, output_of
from farm.jobs.records import Artifact, Attempt, AttemptSpec, FailureKind, Job, Task, TaskKind
from model.plan.anchors import SOURCE_VIDEO

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore
    from farm.store.jobs import JobStore

log = logging.getLogger(__name__)


def spec_for(job: Job, task: Task, attempt: Attempt, artifacts: Mapping[str, Artifact]) -> AttemptSpec:
    """Build what a replica needs to execute ``attempt``; every input must be committed already.

    Raises:
        StorageError: an input that a dependency should have committed is not there.
        ShelvedJobError: the section is kept from another job, and must not be rendered.
    """
    if task.kind is TaskKind.SECTION and task.section in job.kept:
        raise ShelvedJobError(
            f"section {task.section} is kept from job {job.parent}, and its file is gone or damaged there, too; "
            "make a new take that renders it again."
        )
    names = [output_of(name) for name in task.dependencies]
    if task.kind is TaskKind.ENCODE:
        names += job.request.files
    elif task.kind is TaskKind.DECODE and CONDITIONING not in names:  # the graph of an early version
        names.append(CONDITIONING)
    elif task.kind is TaskKind.EXPORT:
        names += [latents_name(index) for index in range(len(names))]
        if job.request.exports_video:
            names.append(SOURCE_VIDEO)
    missing = sorted(set(names) - artifacts.keys())
    if missing:
        raise StorageError(
            f"job {job.id}: {task.name} needs {', '.join(missing)}, which no finished task has committed."
        )
    return AttemptSpec(
        attempt_id=attempt.id,
        job_id=job.id,
        task_name=task.name,
        kind=task.kind,
        section=task.section,
        request=job.request,
        plan_digest=job.plan_digest,
        inputs={name: artifacts[name].key for name in names},
        output_prefix=attempt_folder(job.id, attempt.id),
        hashes={name: artifacts[name].sha256 for name in names},
    )


def specs_of(store: "JobStore", attempts: Sequence[Attempt]) -> list[AttemptSpec | None]:
    """As ``spec_for``, from the rows of many attempts; None for those of which one can't be built."""
    try:
        found = store.to_start_all(attempts) if attempts else []
    except Exception as error:  # noqa: BLE001 - of which of them is found out one by one, by whoever needs it
        log.info("%d attempts: %s", len(attempts), error)
        return [None] * len(attempts)
    specs: list[AttemptSpec | None] = []
    for attempt, (job, task, artifacts) in zip(attempts, found, strict=True):
        try:
            specs.append(spec_for(job, task, attempt, artifacts))
        except FarmError as error:
            log.info("%s: %s", attempt.task_id, error)
            specs.append(None)
    return specs


def publish(store: "ArtifactStore", spec: AttemptSpec, files: Iterable[Artifact]) -> list[Artifact]:
    """Rename an attempt's files to where committed files live; doing it again after a crash is a no-op.

    The final name carries the attempt's id, so that a late attempt can never replace what another one committed.
    """
    published = []
    for file in files:
        stem, extension = posixpath.splitext(posixpath.basename(file.key))
        key = f"jobs/{spec.job_id}/{stem}-{spec.attempt_id}{extension}"
        store.publish(file.key, key)
        published.append(replace(file, key=key))
    return published


@dataclass(frozen=True)
class Failure:
    """Why an attempt has no result. ``artifact``: the input that is damaged, if that is why."""

    kind: FailureKind
    message: str
    artifact: str = ""


def judge(error: BaseException) -> Failure:
    """Whose fault an exception is, and what to tell a person."""
    if isinstance(error, DamagedArtifactError) and error.artifact:
        return Failure(FailureKind.DAMAGED, str(error), error.artifact)
    return Failure(classify(error), describe_error(error))


def settle_failure(store: "JobStore", attempt: Attempt, failure: Failure) -> bool:
    """Record an attempt's failure; False when it can't be mended without a person, and the job should wait for one."""
    if failure.kind is FailureKind.DAMAGED:
        return store.fail_for_damage(attempt.id, failure.artifact, failure.message)
    store.fail_attempt(attempt.id, failure.kind, failure.message)
    return True


def classify(error: BaseException) -> FailureKind:
    """Whose fault an exception is: the task's own, its input's, the replica's, missing resources, an interruption."""
    if isinstance(error, CancelledError):
        return FailureKind.INTERRUPTION
    if isinstance(error, ProcessLostError):
        return FailureKind.LOST
    if isinstance(error, InputError):
        return FailureKind.INPUT
    if type(error).__name__ == "AcceleratorError":  # torch's, for what can't be mended inside the process
        return FailureKind.DEVICE
    if isinstance(error, CheckpointError):
        return FailureKind.REPLICA
    if isinstance(error, StorageError | NotFoundError) or is_out_of_memory(error):
        return FailureKind.RESOURCES
    if isinstance(error, OSError) and error.errno in _SCARCE:
        return FailureKind.RESOURCES
    return FailureKind.TASK


_SCARCE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENOMEM, errno.EIO, errno.ESTALE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether host or device had no memory left; torch's CPU allocator says so in a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def describe_error(error: BaseException) -> str:
    """One line for a person: the message of our own errors, type and message of all others."""
    text = " ".join(str(error).split())[:500]
    return text if type(error).__module__ == "farm.errors" and text else f"{type(error).__name__}: {text}"
