"""What a model family makes of a request: its own defaults, and what means nothing to it."""

from collections.abc import Collection, Mapping
from typing import Any

from farm.errors import InputError
from farm.jobs.request import RenderRequest
from model.cache_kinds import short_cache
from model.family import FamilyInfo
from model.plan.orders import AUTO

CONTEXT = ("layout", "compression")
"""Names by which people ask for a context: both are the model's own, and no fields of a request."""


def of_family(
    values: Mapping[str, Any],
    given: Collection[str],
    defaults: Mapping[str, Any],
    without: Collection[str],
    built_in: bool,
) -> dict[str, Any]:
    """Values of a request with the family's defaults.

    Args:
        values: the preset's under the user's.
        given: the names of the user's own.
        defaults, without: of the family, see ``FamilyInfo``.
        built_in: whether the preset is one of the farm's, which are made for families without defaults of their own:
            what such a family knows better, or does not know at all, is left out of it.
    """
    if not defaults:
        return dict(values)
    own = {*defaults, *without, "cache", "sampler"}
    kept = {name: value for name, value in values.items() if name in given or not (built_in and name in own)}
    return {**defaults, **kept}


def check_family(request: RenderRequest, family: FamilyInfo) -> None:
    """Refuse what the family can't do.

    Raises:
        InputError: names the field, its value and what to do.
    """
    model = f"model {family.name!r}"
    if family.caches and request.cache not in family.caches:
        raise InputError(
            f"cache is {short_cache(request.cache)!r}; {model} has {_listed(family.caches)}, so leave it out."
        )
    if family.samplers and request.sampler not in family.samplers:
        raise InputError(f"sampler is {request.sampler!r}; {model} brings its own, so leave it out.")
    if family.unguided and request.cfg > 1:
        raise InputError(f"cfg is {request.cfg:g}; {model} has guidance distilled into it, so leave it at 1.")
    for name in family.without:
        default = RenderRequest.model_fields[name].default
        if getattr(request, name) != default:
            raise InputError(f"{name} is {getattr(request, name)}, which means nothing to {model}; leave it out.")


def check_context(asked: Mapping[str, Any], family: FamilyInfo) -> None:
    """Refuse another context than the family's: how densely a section sees the others belongs to the weights.

    Args:
        asked: of the fields ``CONTEXT``, those that were given.
        family: of the request.

    Raises:
        InputError: one is neither ``auto`` nor the family's own layout.
    """
    for name, value in asked.items():
        if str(value).strip() not in (AUTO, str(family.layout)):
            instead = (
                ""
                if "tail" in family.without
                else " What becomes of frames beyond it, tail says; `farm train pack` makes models with another layout."
            )
            raise InputError(
                f"{name} is {value!r}; model {family.name!r} was trained with the layout {family.layout} alone, for "
                f"videos of any length, so leave it out.{instead}"
            )


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(map(repr, names)) if names != ("none",) else "no step cache"
