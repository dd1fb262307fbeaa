"""Takes one imported plug-in module and answers what it offers, checked. Calls the plug-in's own functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel, ConfigDict

from farm.errors import PluginError
from farm.texts import toml_files

from . import hookspecs
from .exporters.base import Exporter
from .presets import Preset, read_preset

NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?")
EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,15}(?:\.[A-Za-z0-9]{1,15})?")
MEDIA_TYPE = re.compile(r"[a-z]{1,32}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
"""A type and a subtype as RFC 6838 writes them, without parameters."""


class ExporterFacts(BaseModel):
    """An exporter as its plug-in describes it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    extension: str
    media_type: str


class Verdict(BaseModel):
    """What a plug-in offers, or the one-line ``reason`` why it can't be used."""

    model_config = ConfigDict(frozen=True)

    exporters: tuple[ExporterFacts, ...] = ()
    presets: tuple[Preset, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Loaded:
    """What one plug-in offers: exporters by name, and presets."""

    exporters: dict[str, Exporter]
    presets: tuple[Preset, ...]

    def verdict(self) -> Verdict:
        """The same without the objects that do the work."""
        exporters = map(ExporterFacts.model_validate, self.exporters.values())
        return Verdict(exporters=tuple(exporters), presets=self.presets)


def load(module: ModuleType, name: str) -> Loaded:
    """Ask ``module`` for what it offers.

    Raises:
        PluginError: it was made for another farm, or offers something unusable.
        Exception: whatever its functions raise.
    """
    wanted = getattr(module, "FARM_PLUGIN_API", hookspecs.API_VERSION)
    if wanted != hookspecs.API_VERSION:
        raise PluginError(f"it was made for plug-in API {wanted}; this farm has {hookspecs.API_VERSION}.")
    hooks = pluggy.PluginManager("farm")
    hooks.add_hookspecs(hookspecs)
    hooks.register(module, name)
    _refuse_unknown_hooks(module)
    return Loaded(_exporters_of(module), tuple(_presets_of(module)))


def reason(error: BaseException) -> str:
    """Why a plug-in is disabled, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".rstrip(": ")


def _call(module: ModuleType, hook: str) -> Iterable[Any]:
    function = getattr(module, hook, None)
    if function is None or not hasattr(function, "farm_impl"):
        return ()
    return tuple(function() or ())


def _refuse_unknown_hooks(module: ModuleType) -> None:
    known = {name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "farm_spec")}
    for name, value in vars(module).items():
        if hasattr(value, "farm_impl") and name not in known:
            raise PluginError(f"it implements an unknown hook {name!r}; known: {', '.join(sorted(known))}.")
        if name in known and callable(value) and not hasattr(value, "farm_impl"):
            raise PluginError(f"its function {name} is not marked with @hookimpl.")


def _presets_of(module: ModuleType) -> Iterable[Preset]:
    for given in _call(module, "farm_presets"):
        if isinstance(given, Preset):
            yield given
        elif isinstance(given, Path):
            yield from map(read_preset, toml_files(given) if given.is_dir() else [given])
        else:
            raise PluginError(f"farm_presets gave {type(given).__name__}; expected Preset or pathlib.Path.")


def _exporters_of(module: ModuleType) -> dict[str, Exporter]:
    found: dict[str, Exporter] = {}
    for exporter in _call(module, "farm_exporters"):
        _check_exporter(exporter)
        if exporter.name in found:
            raise PluginError(f"it offers two exporters called {exporter.name!r}.")
        found[exporter.name] = exporter
    return found


def _check_exporter(exporter: Any) -> None:
    if isinstance(exporter, type) or not isinstance(exporter, Exporter):
        expected = "objects with name, extension, media_type and export()"
        raise PluginError(f"farm_exporters gave {exporter!r}; expected {expected}.")
    for what, value, pattern, expected in (
        ("name", exporter.name, NAME, "1 to 40 of a-z, 0-9, _, . and -, such as 'prores'; lower case"),
        ("extension", exporter.extension, EXTENSION, "a dot and letters or digits, such as '.mov'"),
        ("media type", exporter.media_type, MEDIA_TYPE, "type/subtype, such as 'video/mp4'"),
    ):
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise PluginError(f"exporter {exporter.name!r}: {what} {value!r} is unusable; expected {expected}.")
