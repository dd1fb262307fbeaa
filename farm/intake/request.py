"""From what a user typed and the files that came with it to a complete, checked request."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from farm.errors import InputError, unknown_name
from farm.intake.planning import plan_for
from farm.jobs.exports import Export, PostStep
from farm.jobs.order import JobOrder
from farm.jobs.request import RANDOM_SEEDS, UNKNOWN_NAME, RenderRequest
from farm.jobs.submission import Submission
from farm.settings import Settings
from model.cache_kinds import cache_text
from model.choices import no_calibration
from model.families import checkpoint, describe
from model.family import FamilyInfo
from model.footage.footage import FileFacts
from model.footage.media import Media
from model.loras.library import resolve
from model.loras.pairs import shapes_of
from model.plan import Plan
from model.plan.anchors import SOURCE_VIDEO
from model.plan.orders import AUTO, order_text
from model.settings import ModelSettings
from plugins.manager import OfferedExporter, OfferedPostProcessor, PluginManager, get_manager
from plugins.presets import merge_preset

from . import studio
from .drafts import as_draft, draft_note
from .families import CONTEXT, check_context, check_family, of_family
from .files import check_audio, check_files, file_fields
from .notes import notes_on, sound_notes
from .orders import Look, alone, chosen_order, is_auto, seconds_left, written_out
from .tags import told_apart, without_tags


@dataclass(frozen=True)
class Accepted:
    """A job that can be queued.

    ``exporters``: what writes its files, one for each export; ``post_processors``: that their frames pass; ``facts``:
    what the files are that it came with, by the names of their artifacts; ``notes``: what its owner should know before
    it is rendered, a sentence each; ``settings``: of the machine on which it was checked.
    """

    request: RenderRequest
    job_order: JobOrder
    plan: Plan
    family: FamilyInfo
    exporters: tuple[OfferedExporter, ...]
    settings: ModelSettings
    post_processors: tuple[OfferedPostProcessor, ...] = ()
    facts: Mapping[str, FileFacts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def submission(self) -> Submission:
        """What was asked for, complete."""
        return Submission.of(self.request, self.job_order)


def accept(
    fields: Mapping[str, Any],
    media: Media | bytes,
    *,
    plugins: PluginManager | None = None,
    look: Look = alone,
    seed: int | None = None,
    settings: Settings | None = None,
) -> Accepted:
    """Check everything about a job that can be checked before it exists; its files are opened as a replica will.

    A field that is absent or None gets the preset's value, else the model family's or the request's default. A seed
    that is -1 or nowhere named is drawn at random, and the cache ``auto`` becomes the one that the family recommends.
    The layout, or compression, may be named as ``auto`` or as the family's own, which it is in any case.

    Args:
        fields: fields of Submission as the user gave them, or settings of FramePack-Studio; hashes may be left out,
            and ``keyframes`` be seconds.
        media: the job's files, or the start image's alone.
        plugins: where presets and exporters come from; default: the plug-ins of this home.
        look: finds out what there is to render on, for the order ``auto``.
        seed: of a job for which none is named, in place of a drawn one.
        settings: of this machine, which has the model and its LoRAs; default: those of its environment.

    Raises:
        InputError: one line that names the field, what was expected and what was given.
        ProcessLostError: the process that opens the files was killed; it can be tried again.
    """
    plugins, settings = plugins or get_manager(), settings or Settings.from_environment()
    media = Media.of(media)
    given = {studio.ALIASES.get(name, name): value for name, value in fields.items() if value is not None}
    context = {name: given.pop(name) for name in CONTEXT if name in given}
    notes: list[str] = []
    if studio.is_studio(given):
        given, notes = _of_studio(given, settings.model)
    for name in given:
        if name not in Submission.model_fields:
            raise unknown_name("field", str(name), list(Submission.model_fields))
    chosen = _text({"preset": plugins.presets.default_for(_text(given, "model_type")), **given}, "preset")
    preset = plugins.presets.get(chosen)
    values = merge_preset(preset, given)
    family = describe(_text(values, "model_type"), settings.model)
    built_in = plugins.presets.sources.get(preset.name) == "built-in"
    values = of_family(values, given, family.defaults, family.without, built_in)
    values = told_apart(without_tags(values), settings.model)
    values |= file_fields(given, media)
    values["model_type"] = family.name
    asked = _text({"order": family.default_order, **values}, "order")
    values["order"] = AUTO if is_auto(asked) else order_text(asked)
    if values.get("seed") in (None, ""):
        values["seed"] = -1 if seed is None else seed
    if values["seed"] in (-1, "-1"):
        values["seed"] = secrets.randbelow(RANDOM_SEEDS)
    elif isinstance(values["seed"], int) and values["seed"] < 0:
        raise InputError(f"seed is {values['seed']}; expected a number from 0, or -1 to have one drawn.")
    submission = _validated(values)
    request, order = submission.request, submission.job_order
    exports, exporters, processors = check_exports(order.exports, plugins)
    names = {"file_name": settings.file_names}
    exports = tuple(each if each.file_name else each.model_copy(update=names) for each in exports)
    order = order.model_copy(update={"exports": exports})
    if request.cache == "auto":
        request = request.model_copy(update={"cache": family.cache})
    request = request.model_copy(update={"cache": cache_text(request.cache)})
    check_family(request, family)
    check_context(context, family)
    if not submission.draft:
        order = order.model_copy(update={"full": None})
    elif order.full is None:
        request, full = as_draft(request, family)
        order = order.model_copy(update={"full": full})
        notes.append(draft_note(request, full))
    if request.cache == "mag" and not (request.magcache_ratios or family.magcache_ratios):
        raise InputError(no_calibration(family.name))
    if request.total_second_length > family.max_seconds:
        raise InputError(
            f"total_second_length is {request.total_second_length:g}; "
            f"model {family.name!r} makes videos of at most {family.max_seconds:g} seconds."
        )
    family.decoding.tiles(1, 1, request.vae_tiling)
    if is_auto(request.order):
        left = seconds_left(order.deadline, datetime.now(UTC))
        taken = chosen_order(request, family, look(family), left, settings.model)
        request = request.model_copy(update={"order": taken.order})
        notes.append(taken.why)
    request = written_out(request, settings.model)
    plan = plan_for(request, settings=settings.model)
    if request.loras:
        shapes = shapes_of(checkpoint(family.name, settings.model).parts["transformer"].files)
        resolved = tuple(resolve(lora, shapes, settings.model) for lora in request.loras)
        request = request.model_copy(update={"loras": resolved})
    facts = check_files(request, media, family)
    check_audio(exports, media.audio)
    of_video = request.joins_video and SOURCE_VIDEO in facts and facts[SOURCE_VIDEO].sound
    told = (*notes, *notes_on(request, plan, family, facts, settings.model), *sound_notes(exports, exporters, of_video))
    return Accepted(request, order, plan, family, exporters, settings.model, processors, facts, told)


def check_exports(
    exports: Sequence[Export], plugins: PluginManager
) -> tuple[tuple[Export, ...], tuple[OfferedExporter, ...], tuple[OfferedPostProcessor, ...]]:
    """Exports with the own names and values of their exporters, post-processors and options, and those.

    Raises:
        InputError: there is no such exporter, post-processor or option, or one can't be used.
    """
    exporters = tuple(plugins.exporter(export.exporter) for export in exports)
    checked, processors = [], list[OfferedPostProcessor]()
    for export, exporter in zip(exports, exporters, strict=True):
        steps = [(plugins.post_processor(step.processor), step) for step in export.post]
        post = tuple(PostStep(processor=one.name, options=one.check(step.options)) for one, step in steps)
        processors += [one for one, _ in steps]
        own = {"exporter": exporter.name, "options": exporter.check(export.options), "post": post}
        checked.append(export.model_copy(update=own))
    return tuple(checked), exporters, tuple(processors)


def build_request(
    fields: Mapping[str, Any], media: Media | bytes, *, plugins: PluginManager | None = None
) -> Submission:
    """The request alone, with its order, of what ``accept`` gives."""
    return accept(fields, media, plugins=plugins).submission


def _of_studio(given: Mapping[str, Any], settings: ModelSettings) -> tuple[dict[str, Any], list[str]]:
    model = studio.model_named(given.get("model_type", RenderRequest.model_fields["model_type"].default))
    family = describe(_text({"model_type": model}, "model_type"), settings)
    sizes = sorted({family.resolution, *family.resolutions})
    return studio.translate({**given, "model_type": model}, list(Submission.model_fields), sizes, family.window)


def _validated(values: Mapping[str, Any]) -> Submission:
    try:
        return Submission.model_validate(values)
    except ValidationError as error:
        raise InputError(one_line_of(error)) from None


def _text(values: Mapping[str, Any], name: str) -> str:
    """A field that names something, before it is looked up."""
    value = values.get(name, Submission.model_fields[name].default)
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}; expected a text.")
    return value


def one_line_of(error: ValidationError) -> str:
    """The first of pydantic's errors: field, value, expectation."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == UNKNOWN_NAME:
        return str(first["msg"])
    if first["type"] == "missing":
        return f"{name} is missing; every job needs it."
    if name == "prompt" and first["type"] == "string_too_short":
        return "the prompt is empty; describe in a sentence what should happen in the video."
    if name == "seed" and first["type"] == "greater_than_equal":
        return f"seed is {first['input']!r}; it should be a whole number from 0 on, or -1 to draw one."
    value = repr(first["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    expected = re.sub(r"^(Input|String|Value error,|Value) ", "", str(first["msg"])).rstrip(".")
    return f"{name} is {shown}; it {expected}."
