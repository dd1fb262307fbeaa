"""Takes: another go at some sections of a job, with all others as they are."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from farm.errors import ConflictError, InputError
from farm.intake.planning import plan_for
from farm.jobs.names import latents_name, section_name
from farm.jobs.order import MAX_NAME
from farm.jobs.records import Job, TaskState
from farm.jobs.request import RANDOM_SEEDS
from farm.jobs.submission import changed
from farm.settings import Settings
from farm.store.artifacts import ArtifactStore
from farm.store.jobs import JobStore
from model.footage.media import Media
from model.plan import Plan
from plugins.manager import PluginManager

from .request import Accepted, accept

if TYPE_CHECKING:
    from .films import AcceptedFilm

SAME = ("model_type", "resolution", "latent_type", "files", "given")
"""What all sections of a video have in common."""


@dataclass(frozen=True)
class Take:
    """``parent``: the job whose sections ``kept`` are as they were; ``keys``: those of their tasks."""

    parent: str
    kept: tuple[int, ...]
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AcceptedTake:
    """A take that can be queued; another export of a film has that, with the files of its shots."""

    accepted: "Accepted | AcceptedFilm"
    media: Media
    take: Take


def from_section(plan: Plan, first: int) -> frozenset[int]:
    """Section ``first`` and all after it in viewer order."""
    return _existing(plan, range(first, max(first + 1, len(plan.sections))))


def with_dependants(plan: Plan, sections: Collection[int]) -> frozenset[int]:
    """These sections and all whose context holds one of them, directly or not."""
    found = set(_existing(plan, sections))
    for section in sorted(plan.sections, key=lambda section: section.level):
        if found & set(section.predecessors):
            found.add(section.index)
    return frozenset(found)


def accept_take(
    store: JobStore,
    artifacts: ArtifactStore,
    job: Job,
    changes: Mapping[str, Any],
    *,
    sections: Collection[int] | None = None,
    first: int | None = None,
    plugins: PluginManager | None = None,
    settings: Settings | None = None,
) -> AcceptedTake:
    """Check another go at ``sections`` and what depends on them, or at all from section ``first`` on.

    Args:
        store, artifacts: where the job is.
        job: the parent; what is kept of it must be finished.
        changes: request fields that differ; a new seed is drawn when there is none. They must leave the plan's shape.
        sections, first: one of them.
        plugins, settings: see ``accept``.

    Raises:
        InputError: a section does not exist, nothing is to be rendered, or a change needs a whole new job.
        ConflictError: a section that is to be kept is not finished, or the job is a film.
    """
    if job.shots:
        raise ConflictError(
            f"job {job.id} is a film: change its storyboard and queue that; shots that stay as they are cost nothing."
        )
    if (sections is None) == (first is None):
        raise InputError("name the sections to render again, or the first of them; one of the two.")
    before = plan_for(job.request, settings=settings.model if settings else None)
    again = from_section(before, first) if first is not None else with_dependants(before, sections or ())
    if not again:
        raise InputError("no section is to be rendered again; name at least one.")
    kept = tuple(section.index for section in before.sections if section.index not in again)
    keys = _keys(store, job, kept)
    media = _media(store, artifacts, job)
    accepted = accept(_fields(job, changes), media, plugins=plugins, settings=settings)
    _require_same_shape(before, accepted.plan)
    for name in SAME:
        if getattr(accepted.request, name) != getattr(job.request, name):
            raise InputError(f"{name} can't differ between a video's sections; submit it as a new job.")
    return AcceptedTake(accepted, media, Take(job.id, kept, keys))


def accept_promotion(
    store: JobStore,
    artifacts: ArtifactStore,
    job: Job,
    plugins: PluginManager | None = None,
    settings: Settings | None = None,
) -> AcceptedTake:
    """Check a draft's video in full: all as it is but for what the draft has lowered.

    Raises:
        InputError: it can't be used any more.
        ConflictError: the job is no draft.
    """
    full = job.full
    if full is None:
        raise ConflictError(f"job {job.id} is no draft: it is rendered in full already.")
    same = {"name": job.name, "seed": job.request.seed, "draft": False}
    media = _media(store, artifacts, job)
    fields = _fields(job, {**full.model_dump(), **same})
    accepted = accept(fields, media, plugins=plugins, settings=settings)
    return AcceptedTake(accepted, media, Take(job.id, ()))


def _fields(job: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The parent's fields with the changes."""
    fields = {
        name: value for name, value in job.submission.model_dump(mode="json").items() if not name.endswith("_sha256")
    }
    fields["keyframes"] = [keyframe.second for keyframe in job.request.keyframes] or None
    fields["loras"] = [{"name": lora.name, "weight": lora.weight} for lora in job.request.loras]
    fields["name"] = f"{job.name or 'take'} again"[:MAX_NAME]
    fields["seed"] = secrets.randbelow(RANDOM_SEEDS)
    return changed(fields, changes)


def _keys(store: JobStore, job: Job, kept: Collection[int]) -> dict[str, str]:
    tasks = {task.name: task for task in store.tasks(job.id)}
    files = store.artifacts(job.id)
    keys = {}
    for index in kept:
        task = tasks[section_name(index)]
        if task.state is not TaskState.DONE or latents_name(index) not in files:
            raise ConflictError(
                f"section {index} of job {job.id} is {task.state}, not finished; render it again too, or wait for it."
            )
        if not task.key:
            raise ConflictError(f"job {job.id} was queued by an early version; its sections can't be kept in a take.")
        keys[task.name] = task.key
    return keys


def _media(store: JobStore, artifacts: ArtifactStore, job: Job) -> Media:
    files = store.artifacts(job.id)
    return Media.from_files({name: artifacts.read(files[name].key) for name in job.submission.files})


def _existing(plan: Plan, sections: Collection[int]) -> frozenset[int]:
    wrong = sorted(index for index in sections if not 0 <= index < len(plan.sections))
    if wrong:
        raise InputError(f"there is no section {wrong[0]}; the job has sections 0 to {len(plan.sections) - 1}.")
    return frozenset(sections)


def _require_same_shape(before: Plan, after: Plan) -> None:
    def shape(plan: Plan) -> list[Any]:
        return [(section.start, section.stop, section.predecessors, section.slots) for section in plan.sections]

    if shape(before) != shape(after) or before.fps != after.fps:
        raise InputError(
            "this changes which sections the video has, or what they see of each other (length, order, model, "
            "pictures); submit it as a new job: what is equal is taken over all the same."
        )
