"""From what a user typed and the files that came with it to a complete, checked request."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from farm.errors import InputError, unknown_name
from farm.intake.planning import plan_for
from farm.jobs.request import UNKNOWN_NAME, RenderRequest
from model.choices import no_calibration
from model.families import checkpoint, describe
from model.family import FamilyInfo
from model.footage.footage import FileFacts
from model.footage.media import Media
from model.lora import resolve, shapes_of
from model.plan import Plan
from model.plan.orders import find_order
from plugins.manager import PluginManager, get_manager
from plugins.presets import merge_preset

from . import studio
from .files import check_files, file_fields
from .notes import notes_on
from .tags import told_apart, without_tags

RANDOM_SEEDS = 2**31
"""Drawn seeds lie in 0 to 2**31 - 1, the range that the known user interfaces accept."""


@dataclass(frozen=True)
class Accepted:
    """A job that can be queued.

    ``facts``: what its files are, by the names of their artifacts. ``notes``: what its owner should know before it is
    rendered, a sentence each.
    """

    request: RenderRequest
    plan: Plan
    family: FamilyInfo
    facts: Mapping[str, FileFacts] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def accept(fields: Mapping[str, Any], media: Media | bytes, *, plugins: PluginManager | None = None) -> Accepted:
    """Check everything about a job that can be checked before it exists; its files are opened as a replica will.

    A field that is absent or None gets the preset's value, else the model family's or the request's default. A seed
    that is absent or -1 is drawn at random, and the cache ``auto`` becomes the one that the family recommends.

    Args:
        fields: fields of RenderRequest as the user gave them, or settings of FramePack-Studio; hashes may be left out,
            and ``keyframes`` be seconds.
        media: the job's files, or the start image's alone.
        plugins: where presets and exporters come from; default: the plug-ins of this home.

    Raises:
        InputError: one line that names the field, what was expected and what was given.
        ProcessLostError: the process that opens the files was killed; it can be tried again.
    """
    plugins = plugins or get_manager()
    media = Media.of(media)
    given = {studio.ALIASES.get(name, name): value for name, value in fields.items() if value is not None}
    notes: list[str] = []
    if studio.is_studio(given):
        given, notes = _of_studio(given)
    for name in given:
        if name not in RenderRequest.model_fields:
            raise unknown_name("field", str(name), list(RenderRequest.model_fields))
    values = merge_preset(plugins.presets.get(_text(given, "preset")), given)
    values = told_apart(without_tags(values))
    values |= file_fields(given, media)
    family = describe(_text(values, "model_type"))
    values["model_type"] = family.name
    values["order"] = find_order(_text({"order": family.default_order, **values}, "order")).name
    values["exporter"] = plugins.exporter(_text(values, "exporter")).name
    if values.get("seed") in (None, -1, "-1", ""):
        values["seed"] = secrets.randbelow(RANDOM_SEEDS)
    request = _validated(values)
    if request.cache == "auto":
        request = request.model_copy(update={"cache": family.cache})
    if request.cache == "mag" and not (request.magcache_ratios or family.magcache_ratios):
        raise InputError(no_calibration(family.name))
    if request.total_second_length > family.max_seconds:
        raise InputError(
            f"total_second_length is {request.total_second_length:g}; "
            f"model {family.name!r} makes videos of at most {family.max_seconds:g} seconds."
        )
    family.decoding.tiles(1, 1, request.vae_tiling)
    plan = plan_for(request)
    if request.loras:
        shapes = shapes_of(checkpoint(family.name).parts["transformer"].files)
        request = request.model_copy(update={"loras": tuple(resolve(lora, shapes) for lora in request.loras)})
    facts = check_files(request, media, family)
    return Accepted(request, plan, family, facts, (*notes, *notes_on(request, plan, family, facts)))


def build_request(
    fields: Mapping[str, Any], media: Media | bytes, *, plugins: PluginManager | None = None
) -> RenderRequest:
    """The request alone of what ``accept`` gives."""
    return accept(fields, media, plugins=plugins).request


def _of_studio(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    model = studio.model_named(given.get("model_type", RenderRequest.model_fields["model_type"].default))
    family = describe(_text({"model_type": model}, "model_type"))
    sizes = sorted({family.resolution, *family.resolutions})
    return studio.translate({**given, "model_type": model}, list(RenderRequest.model_fields), sizes, family.window)


def _validated(values: Mapping[str, Any]) -> RenderRequest:
    try:
        return RenderRequest.model_validate(values)
    except ValidationError as error:
        raise InputError(_one_line(error)) from None


def _text(values: Mapping[str, Any], name: str) -> str:
    """A field that names something, before it is looked up."""
    value = values.get(name, RenderRequest.model_fields[name].default)
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}; expected a text.")
    return value


def _one_line(error: ValidationError) -> str:
    """The first of pydantic's errors: field, value, expectation."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == UNKNOWN_NAME:
        return str(first["msg"])
    if first["type"] == "missing":
        return f"{name} is missing; every job needs it."
    if name == "prompt" and first["type"] == "string_too_short":
        return "the prompt is empty; describe in a sentence what should happen in the video."
    value = repr(first["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    expected = re.sub(r"^(Input|String|Value error,|Value) ", "", str(first["msg"])).rstrip(".")
    return f"{name} is {shown}; it {expected}."
