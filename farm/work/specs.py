"""From a task to an attempt's specification, and from its files to committed artifacts."""

import logging
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.errors import FarmError, ShelvedJobError, StorageError
from farm.jobs.names import (
    CONDITIONING,
    ENCODE,
    attempt_folder,
    export_index,
    frames_name,
    in_film,
    in_shot,
    latents_name,
    output_of,
    take_of,
)
from farm.jobs.records import Artifact, Attempt, AttemptSpec, Job, Task, TaskKind
from farm.jobs.shots import shot_of
from model.footage.media import AUDIO
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
    number = _shot_of(job, task)
    shot = job.parts[number]
    names = {in_shot(output_of(name), shot.first): output_of(name) for name in task.dependencies}
    if task.kind is TaskKind.ENCODE:
        names |= {name: in_film(name, number, shot.first) for name in shot.stored.request.files}
    elif task.kind is TaskKind.DECODE and CONDITIONING not in names:  # the graph of an early version
        names[CONDITIONING] = CONDITIONING
    elif task.kind is TaskKind.EXPORT:
        names |= {latents_name(index): latents_name(index) for index in range(len(names))}
        if job.request.exports_video:
            names[SOURCE_VIDEO] = SOURCE_VIDEO
        if job.job_order.exports[export_index(task.name)].audio_sha256:
            names[AUDIO] = AUDIO
    missing = sorted(set(names.values()) - artifacts.keys())
    if missing:
        raise StorageError(
            f"job {job.id}: {task.name} needs {', '.join(missing)}, which no finished task has committed."
        )
    return AttemptSpec(
        attempt_id=attempt.id,
        job_id=job.id,
        task_name=task.name,
        kind=task.kind,
        section=None if task.section is None else task.section - shot.first,
        request=shot.stored.request,
        job_order=job.job_order,
        plan_digest=shot.plan_digest,
        inputs={name: artifacts[known].key for name, known in names.items()},
        output_prefix=attempt_folder(job.id, attempt.id),
        created_at=job.created_at.astimezone(),
        hashes={name: artifacts[known].sha256 for name, known in names.items()},
        layout=shot.layout,
        fps=shot.fps,
        take=take_of(task.name) or task.chosen or 0,
        shot=number,
        first=shot.first,
        shots=job.shots if task.kind is TaskKind.EXPORT else (),
    )


def specs_of_shots(spec: AttemptSpec) -> list[AttemptSpec]:
    """A film's export as those of its shots, each by itself; of any other job, the export itself."""
    if not spec.shots:
        return [spec]
    ends = [*(shot.first for shot in spec.shots[1:]), sum(shot.sections for shot in spec.shots)]
    return [
        replace(
            spec,
            request=shot.stored.request,
            plan_digest=shot.plan_digest,
            inputs=_of_shot(spec.inputs, shot.first, end),
            hashes=_of_shot(spec.hashes, shot.first, end),
            layout=shot.layout,
            fps=shot.fps,
            shot=number,
            first=shot.first,
            shots=(),
        )
        for number, (shot, end) in enumerate(zip(spec.shots, ends, strict=True))
    ]


def _of_shot(files: Mapping[str, str], first: int, end: int) -> dict[str, str]:
    """Of files by their names in the film those of sections ``first`` to ``end``, by their names in the shot."""
    names = [known(index) for known in (latents_name, frames_name) for index in range(first, end)]
    return {in_shot(name, first): files[name] for name in names}


def _shot_of(job: Job, task: Task) -> int:
    if task.kind is TaskKind.ENCODE:
        return int(task.name.removeprefix(ENCODE).lstrip("-") or 0)
    return 0 if task.section is None else shot_of(job.parts, task.section)


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
    """Rename an attempt's files to where committed files live, and give them the names that they have in their film;
    doing it again after a crash is a no-op.

    The final name carries the attempt's id, so that a late attempt can never replace what another one committed.
    """
    published = []
    for file in files:
        stem, extension = posixpath.splitext(posixpath.basename(file.key))
        key = f"jobs/{spec.job_id}/{stem}-{spec.attempt_id}{extension}"
        store.publish(file.key, key)
        published.append(replace(file, key=key, name=in_film(file.name, spec.shot, spec.first)))
    return published
