"""From a task to an attempt's specification, and from its files to committed artifacts. No Ray."""

import errno
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.errors import CancelledError, CheckpointError, NotFoundError, StorageError
from farm.jobs.keys import attempt_folder
from farm.jobs.records import Artifact, Attempt, AttemptSpec, FailureKind, Job, Task, TaskKind
from model.plan.anchors import SOURCE_VIDEO

if TYPE_CHECKING:
    from farm.store.artifacts import ArtifactStore

_OUTPUT = {"encode": "conditioning", "section": "latents", "decode": "frames"}


def output_of(task_name: str) -> str:
    """Artifact name that a task's dependants read: ``section-003`` -> ``latents-003``."""
    kind, _, index = task_name.partition("-")
    return f"{_OUTPUT[kind]}-{index}" if index else _OUTPUT[kind]


def spec_for(job: Job, task: Task, attempt: Attempt, artifacts: Mapping[str, Artifact]) -> AttemptSpec:
    """Build what a replica needs to execute ``attempt``; every input must be committed already.

    Raises:
        StorageError: an input that a dependency should have committed is not there.
    """
    names = [output_of(name) for name in task.dependencies]
    if task.kind is TaskKind.ENCODE:
        names += job.request.files
    elif task.kind is TaskKind.DECODE:
        names.append("conditioning")
    elif task.kind is TaskKind.EXPORT:
        names += [name.replace("frames-", "latents-") for name in names]
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


def classify(error: BaseException) -> FailureKind:
    """Whose fault an exception is: the task's own, the replica's, missing resources, or an interruption."""
    if isinstance(error, CancelledError):
        return FailureKind.INTERRUPTION
    if isinstance(error, CheckpointError):
        return FailureKind.REPLICA
    if isinstance(error, StorageError | NotFoundError) or is_out_of_memory(error):
        return FailureKind.RESOURCES
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EMFILE,
        errno.ENOMEM,
    ):
        return FailureKind.RESOURCES
    return FailureKind.TASK


def is_out_of_memory(error: BaseException) -> bool:
    """Whether host or device had no memory left; torch's CPU allocator says so in a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def describe_error(error: BaseException) -> str:
    """One line for a person: the message of our own errors, type and message of all others."""
    text = " ".join(str(error).split())[:500]
    return text if type(error).__module__ == "farm.errors" and text else f"{type(error).__name__}: {text}"
