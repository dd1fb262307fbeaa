"""Presets: TOML files that set some fields of a request and suggest prompts. Data, never code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from farm.errors import PluginError, unknown_name
from farm.jobs.fields import ONE_LINE, PLAIN
from farm.jobs.request import UNKNOWN_NAME
from farm.jobs.submission import Submission, changed
from farm.texts import read_toml, toml_files

BUILT_IN = Path(__file__).resolve().parents[1] / "presets"

USERS_OWN = frozenset(
    {
        "prompt",
        "name",
        "image_sha256",
        "end_image_sha256",
        "keyframes",
        "video_sha256",
        "audio_sha256",
        "preset",
        "owner",
        "deadline",
        "batch",
        "full",
    }
)
"""Fields that belong to the user and the job, which a preset may not set; a prompt is suggested instead."""

DEFAULT = "Default"
SETTABLE = tuple(name for name in Submission.model_fields if name not in USERS_OWN)


class Preset(BaseModel):
    """A named set of values for a request.

    ``values`` holds fields of Submission within their ranges; fields not named stay at their defaults.
    ``prompts`` are examples for the user to start from; a preset never replaces what the user wrote. ``owner``: who
    saved it; empty for the farm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, Field(min_length=1, max_length=60), ONE_LINE]
    description: Annotated[str, Field(min_length=1, max_length=400), PLAIN]
    prompts: tuple[Annotated[str, Field(min_length=1, max_length=2000), PLAIN], ...] = ()
    values: dict[str, Any] = {}
    owner: Annotated[str, Field(max_length=80), ONE_LINE] = ""

    @field_validator("values")
    @classmethod
    def _within_the_request(cls, values: dict[str, Any]) -> dict[str, Any]:
        wrong = [
            f"{key}: a preset can't set this field; it belongs to the user"
            if key in USERS_OWN
            else f"{key}: {unknown_name('field', key, list(SETTABLE))}"
            for key in values
            if key not in SETTABLE
        ]
        able = {key: value for key, value in values.items() if key in SETTABLE}
        try:
            request = Submission.model_validate({**able, "prompt": "x", "image_sha256": "0" * 64})
        except ValidationError as error:
            wrong += _errors(error)
        if wrong:
            raise ValueError("\n".join(wrong))
        return {key: request.job_order.exports if key == "exports" else getattr(request, key) for key in values}


@dataclass(frozen=True)
class BrokenPreset:
    """A preset file that can't be used; ``reason`` is one line that names file, key and what was expected."""

    path: Path
    reason: str


@dataclass(frozen=True)
class PresetCatalog:
    """All presets found. ``presets`` maps a name to its preset, in the order of loading."""

    presets: Mapping[str, Preset]
    broken: tuple[BrokenPreset, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each preset comes from: ``built-in``, a file or a plug-in."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What models start with: the preset's name by the model's; *Default* for those that are not there."""

    def get(self, name: str) -> Preset:
        """The preset of that name, whatever its case.

        Raises:
            InputError: there is none; suggests the nearest.
        """
        found = self.find(name)
        if found is None:
            raise unknown_name("preset", name, list(self.presets))
        return found

    def find(self, name: str) -> Preset | None:
        """The same, or None."""
        wanted = name.strip().casefold()
        return next((preset for known, preset in self.presets.items() if known.casefold() == wanted), None)

    def default_for(self, model: str) -> str:
        """The name of the preset that a model starts with."""
        return self.defaults.get(model.strip().casefold(), DEFAULT)


def read_preset(path: Path) -> Preset:
    """Read one preset file.

    Raises:
        PluginError: one line with file, key and what was expected.
    """
    try:
        data = read_toml(path, path.name, PluginError)
    except FileNotFoundError:
        raise PluginError(f"{path}: no such file.") from None
    try:
        return Preset.model_validate(data)
    except ValidationError as error:
        raise PluginError(f"{path.name}: {all_errors(error)}.") from None


def load_presets(
    extra_dirs: Iterable[Path] = (),
    extra: Iterable[tuple[str, Preset]] = (),
    defaults: Path | None = None,
) -> PresetCatalog:
    """Read the built-in presets, then ``extra`` ones as (source, preset), then those in ``extra_dirs``.

    A later preset replaces an earlier one of the same name, so that users can change a built-in one.
    ``defaults``: a file that says what models start with; presets that are not there any more count as not set. A
    folder that does not exist holds none. Broken files are listed, they never raise.
    """
    presets: dict[str, Preset] = {}
    sources: dict[str, str] = {}
    broken: list[BrokenPreset] = []

    def add(preset: Preset, source: str) -> None:
        for known in [
            known for known in presets if known.casefold() == preset.name.casefold() and known != preset.name
        ]:
            del presets[known], sources[known]
        presets[preset.name] = preset
        sources[preset.name] = source

    def add_all(folder: Path, source: str = "") -> None:
        for path in toml_files(folder):
            try:
                add(read_preset(path), source or str(path))
            except PluginError as error:
                broken.append(BrokenPreset(path, str(error)))

    add_all(BUILT_IN, "built-in")
    for source, preset in extra:
        add(preset, source)
    for folder in extra_dirs:
        add_all(Path(folder))
    ordered = sorted(presets, key=lambda name: (name != DEFAULT, name))
    try:
        there = {model: name for model, name in read_defaults(defaults).items() if name in presets}
    except PluginError as error:
        there, broken = {}, [*broken, BrokenPreset(defaults or Path(), str(error))]
    return PresetCatalog({name: presets[name] for name in ordered}, tuple(broken), sources, there)


def read_defaults(path: Path | None) -> dict[str, str]:
    """Names of presets by that of the model that starts with them; none without a file.

    Raises:
        PluginError: the file can't be read.
    """
    if path is None or not path.is_file():
        return {}
    return {model: str(name) for model, name in read_toml(path, path.name, PluginError).items()}


def merge_preset(preset: Preset, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's values under the user's explicit ``fields``; the user always wins."""
    return {**changed(preset.values, fields), "preset": preset.name}


def all_errors(error: ValidationError) -> str:
    """One line for all that pydantic has found: key, expectation, value of each."""
    return "; ".join(_errors(error))


def _errors(error: ValidationError) -> list[str]:
    return [line for found in error.errors(include_url=False) for line in _lines(found)]


def _lines(found: ErrorDetails) -> list[str]:
    """Of one error; a validator of ours may tell of several."""
    key = ".".join(str(part) for part in found["loc"])
    message = str(found["msg"]).removeprefix("Value error, ").rstrip(".")
    if found["type"] == "extra_forbidden":
        return [f"{key}: unknown key; expected name, description, prompts, values or owner"]
    if found["type"] == "missing":
        return [f"{key}: missing"]
    if found["type"] == UNKNOWN_NAME:
        return [f"{key}: {message}"]
    if found["type"] == "value_error":
        return [f"{key}.{line.rstrip('.')}" for line in message.split("\n")]
    return [f"{key}: {message[0].lower()}{message[1:]}, got {found['input']!r}"]
