"""Equal work is done once: a task whose result another job has already takes that over, and nothing is rendered."""

import posixpath
from collections.abc import Collection

from farm.errors import ConflictError, NotFoundError, StorageError
from farm.jobs.names import of_task
from farm.jobs.records import Artifact
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from farm.store.reuse import Donor


def adopt(
    store: JobStore,
    artifacts: ArtifactStore,
    job_id: str,
    devices: Collection[str] | None = None,
    waiting: Collection[str] = (),
    device: str | None = None,
) -> list[str]:
    """Take over what is there for the job's ready tasks, and for those called ``waiting``; returns their names.

    A video stays on one kind of device, so all comes from one kind: ``device`` if the job has begun on one, else one of
    ``devices``, if they are given, since nobody could go on with it on another.
    """
    adopted: list[str] = []
    while found := store.donors(job_id, device, waiting):
        progress = False
        for donor in found:
            if device is not None and donor.device != device:
                continue
            if device is None and devices is not None and donor.device not in devices and not donor.kept:
                continue
            if take_over(store, artifacts, donor):
                device, progress = donor.device, True
                adopted.append(donor.task)
        if not progress:
            break
    return adopted


def take_over(store: JobStore, artifacts: ArtifactStore, donor: Donor) -> bool:
    """One task; False when it can't be, because a file is gone or the task is being done."""
    try:
        copies = [_copy(artifacts, donor, file) for file in donor.files]
        store.adopt(donor, copies)
    except (StorageError, NotFoundError, ConflictError):
        return False
    return True


def _copy(artifacts: ArtifactStore, donor: Donor, file: Artifact) -> Artifact:
    name, base = of_task(file.name, donor.task), posixpath.basename(file.key)
    key = f"jobs/{donor.job_id}/{base if name == file.name else f'{name}-of-{base}'}"
    artifacts.copy(file.key, key)
    return Artifact(name, key, file.size, file.sha256, file.media_type)
