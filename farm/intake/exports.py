"""Another export of a job that is rendered: a job of its own that takes everything over and writes other files."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from farm.errors import ConflictError, InputError
from farm.jobs.exports import FileFields
from farm.jobs.names import in_film, latents_name, section_name, take_of
from farm.jobs.order import JobOrder
from farm.jobs.records import Job, TaskKind, TaskState
from farm.jobs.submission import Submission
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from model.families import describe
from model.footage.media import AUDIO, Media
from plugins.manager import PluginManager, get_manager

from .files import check_audio
from .films import AcceptedFilm, AcceptedShot
from .notes import sound_notes
from .planning import plan_for
from .request import Accepted, check_exports, one_line_of
from .takes import AcceptedTake, Take


def accept_exports(
    store: JobStore,
    artifacts: ArtifactStore,
    job: Job,
    exports: Sequence[Any],
    plugins: PluginManager | None = None,
    audio: bytes | None = None,
    settings: Settings | None = None,
) -> AcceptedTake:
    """Check other exports of ``job``, whatever became of its own: nothing is rendered, at most decoded again.

    Args:
        store, artifacts: where the job is; its sections must be finished, and their latents there.
        job: what is exported.
        exports: in the forms that users send, such as ``webm:crf=30``; what one does not say is as in the job's first.
        plugins, settings: see ``accept``.
        audio: a sound track in place of the job's own, whose settings count no more then.

    Raises:
        InputError: there is no export, or one can't be used.
        ConflictError: a section is not finished, or its latents are gone.
    """
    if not exports:
        raise InputError("no export is named; say which, such as webm or webm:crf=30.")
    fields = Submission.of(job.request, job.job_order).model_dump(mode="json")
    common = {name: fields[name] for name in FileFields.model_fields if name != "exporter"}
    if audio is not None:
        common = {name: value for name, value in common.items() if not name.startswith("audio_")}
        common["audio_sha256"] = hashlib.sha256(audio).hexdigest()
    try:
        asked = Submission.model_validate({"prompt": "-", **common, "exports": list(exports)}).job_order
    except ValidationError as error:
        raise InputError(one_line_of(error)) from None
    wanted, exporters, processors = check_exports(asked.exports, plugins or get_manager())
    keys = _keys(store, job)
    files = store.artifacts(job.id)
    order = JobOrder.model_construct(**{**dict(job.job_order), "exports": wanted, "deadline": None})
    track = audio
    if track is None and AUDIO in files and any(export.audio_sha256 for export in wanted):
        track = artifacts.read(files[AUDIO].key)
    check_audio(wanted, track)
    notes = tuple(sound_notes(wanted, exporters))
    shots, model = [], (settings or Settings.from_environment()).model
    for number, shot in enumerate(job.parts):
        request = shot.stored.request
        names = {name: in_film(name, number, shot.first) for name in request.files}
        media = Media.from_files({name: artifacts.read(files[known].key) for name, known in names.items()})
        media = media if number else replace(media, audio=track)
        plan, family = plan_for(request, settings=model), describe(request.model_type, model)
        accepted = Accepted(request, order, plan, family, exporters, model, processors, notes=notes)
        shots.append(AcceptedShot(shot.name, accepted, media, shot.fade))
    take = Take(job.id, tuple(range(sum(len(shot.accepted.plan.sections) for shot in shots))), keys)
    if job.shots:
        return AcceptedTake(AcceptedFilm(tuple(shots), notes, job.storyboard), Media(), take)
    return AcceptedTake(shots[0].accepted, shots[0].media, take)


def _keys(store: JobStore, job: Job) -> dict[str, str]:
    """Those of all that its exports read."""
    tasks = {task.name: task for task in store.tasks(job.id)}
    files = store.artifacts(job.id)
    for index in range(sum(task.kind is TaskKind.SECTION and not take_of(task.name) for task in tasks.values())):
        task = tasks[section_name(index)]
        if task.state is not TaskState.DONE or not task.key:
            raise ConflictError(
                f"section {index} of job {job.id} is {task.state}; it can be exported once all are done."
            )
        if latents_name(index) not in files:
            raise ConflictError(
                f"the latents of job {job.id} are gone: they are kept for a while only. Submit it once more with the "
                "same settings and seed; `farm submit --from` reads them from its files."
            )
    return {task.name: task.key for task in tasks.values() if task.kind is not TaskKind.EXPORT and task.key}
