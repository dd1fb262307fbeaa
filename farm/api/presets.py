"""Presets: which there are, saving and removing those of the home, and which one each model starts with."""

from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from farm.accounts.people import Caller
from farm.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from farm.texts import one_line
from model.families import describe
from plugins.preset_files import one_change, remove_preset, save_preset, write_default
from plugins.presets import DEFAULT, Preset, PresetCatalog, all_errors

from .authority import Asking
from .context import Farm, FarmContext

router = APIRouter(tags=["catalog"])

Name = Annotated[str, AfterValidator(one_line), Path(min_length=1, max_length=60, description="The preset's name")]
Model = Annotated[str, Path(max_length=40, description="The model family's name")]


class PresetView(BaseModel):
    """A preset. ``source``: ``built-in``, a file or a plug-in; ``own``: whether the caller may save it anew or remove
    it; ``default_for``: models that start with it."""

    name: str
    description: str
    source: str
    owner: str
    own: bool
    default_for: list[str]
    prompts: tuple[str, ...]
    values: dict[str, Any]


class BrokenView(BaseModel):
    path: str
    reason: str


class PresetList(BaseModel):
    presets: list[PresetView]
    broken: list[BrokenView]


class PresetForm(BaseModel):
    """A preset to save. ``values``: fields of a request, as in a preset file."""

    model_config = ConfigDict(extra="forbid")

    description: str
    prompts: Annotated[list[str], Field(max_length=50)] = []
    values: dict[str, Any] = {}


class DefaultForm(BaseModel):
    """``preset``: null for *Default*."""

    preset: str | None


@router.get("/presets", summary="List presets")
def list_presets(farm: Farm, caller: Asking) -> PresetList:
    """Read anew each time, so that a preset file just saved is there; broken files say what is wrong with them."""
    catalog = farm.plugins.reload_presets()
    return PresetList(
        presets=[_view(farm, catalog, preset, caller) for preset in catalog.presets.values()],
        broken=[BrokenView(path=str(broken.path), reason=broken.reason) for broken in catalog.broken],
    )


@router.put("/presets/{name:path}", summary="Save a preset")
def put_preset(farm: Farm, caller: Asking, name: Name, form: PresetForm) -> PresetView:
    """In a file of the farm's home. One of that name that is the caller's is replaced; admins may replace any, also a
    built-in one, which is there again when theirs is removed."""
    with one_change(farm.settings.presets_dir):
        catalog = farm.plugins.reload_presets()
        known = catalog.find(name)
        owner = caller.name if caller.known else ""
        if known is not None:
            _require_own(caller, known)
            owner = known.owner or owner
        try:
            preset = Preset(name=name, owner=owner, **form.model_dump())
        except ValidationError as error:
            raise InputError(f"preset {name!r}: {all_errors(error)}.") from None
        save_preset(farm.settings.presets_dir, preset, _file(farm, catalog, known))
        catalog = farm.plugins.reload_presets()
        return _view(farm, catalog, catalog.get(name), caller)


@router.delete("/presets/{name:path}", status_code=204, summary="Remove a preset")
def delete_preset(farm: Farm, caller: Asking, name: Name) -> Response:
    """Removes the file of one that was saved in the home. Jobs keep the values that they had from it."""
    with one_change(farm.settings.presets_dir):
        catalog = farm.plugins.reload_presets()
        known = catalog.find(name)
        if known is None:
            raise NotFoundError(f"there is no preset {name!r}; `farm presets` lists them.")
        file = _file(farm, catalog, known)
        if file is None:
            raise ConflictError(
                f"preset {known.name!r} comes from {catalog.sources[known.name]}, not from the farm's home."
            )
        _require_own(caller, known)
        remove_preset(file)
        for model in [model for model, preset in catalog.defaults.items() if preset == known.name]:
            write_default(farm.settings.default_presets_path, model, None)  # or whoever takes the name would decide
        farm.plugins.reload_presets()
    return Response(status_code=204)


@router.patch("/models/{model}", summary="Choose a model's default preset")
def set_default(farm: Farm, caller: Asking, model: Model, form: DefaultForm) -> PresetList:
    """What requests for the model have that name no preset, and what the Submit page opens with."""
    with one_change(farm.settings.presets_dir):
        catalog = farm.plugins.reload_presets()
        chosen = catalog.get(form.preset).name if form.preset else DEFAULT
        write_default(
            farm.settings.default_presets_path,
            describe(model, farm.settings.model).name,
            None if chosen == DEFAULT else chosen,
        )
    return list_presets(farm, caller)


def _view(farm: FarmContext, catalog: PresetCatalog, preset: Preset, caller: Caller) -> PresetView:
    return PresetView(
        name=preset.name,
        description=preset.description,
        source=catalog.sources[preset.name],
        owner=preset.owner,
        own=_file(farm, catalog, preset) is not None and caller.may_change(preset.owner),
        default_for=[model for model, name in catalog.defaults.items() if name == preset.name],
        prompts=preset.prompts,
        values=preset.values,
    )


def _file(farm: FarmContext, catalog: PresetCatalog, preset: Preset | None) -> File | None:
    """The preset's own file, when it lies in the home."""
    source = File(catalog.sources[preset.name]) if preset else File()
    return source if source.parent == farm.settings.presets_dir else None


def _require_own(caller: Caller, preset: Preset) -> None:
    if not caller.may_change(preset.owner):
        whose = f"{preset.owner}'s" if preset.owner else "the farm's"
        raise ForbiddenError(f"preset {preset.name!r} is {whose}; save yours under another name.")
