"""Finds plug-ins, loads each in a guard, and answers what they offer.

Sources, in this order: the built-in plug-in, installed packages with an entry point in the group ``farm.plugins``,
and ``FARM_HOME/plugins`` (each ``NAME.py`` or folder with an ``__init__.py``). A plug-in that fails is disabled with
its reason; the farm goes on without it.
"""

import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from farm.errors import PluginError, unknown_name
from farm.settings import Settings
from farm.texts import toml_files

from . import builtin, hookspecs
from .exporters.base import Exporter
from .presets import Preset, PresetCatalog, load_presets, read_preset

GROUP = "farm.plugins"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginInfo:
    """One plug-in that was found. ``reason`` says in one line why it is disabled; ``offers`` what it registered."""

    name: str
    source: str
    version: str = ""
    enabled: bool = True
    reason: str = ""
    offers: tuple[str, ...] = ()


class PluginManager:
    """The plug-ins of one process.

    Attributes:
        plugins: everything found, broken ones included, in the order of loading.
        exporters: by name.
        presets: built-in ones, those of plug-ins, and ``FARM_HOME/presets``, which wins.
    """

    def __init__(self, plugins_dir: Path | None = None, presets_dir: Path | None = None, packages: bool = True) -> None:
        self.plugins: list[PluginInfo] = []
        self.exporters: dict[str, Exporter] = {}
        self._presets: list[tuple[str, Preset]] = []
        self.presets: PresetCatalog
        self._pluggy = pluggy.PluginManager("farm")
        self._pluggy.add_hookspecs(hookspecs)
        self._load("built-in", "built-in", lambda: builtin)
        if packages:
            for entry in importlib.metadata.entry_points(group=GROUP):
                dist = entry.dist
                source = f"package {dist.name}" if dist else "package"
                self._load(entry.name, source, entry.load, dist.version if dist else "")
        for path in _files(plugins_dir):
            self._load(path.stem, str(path), lambda path=path: _import_file(path))  # type: ignore[misc]
        self._presets_dir = presets_dir
        self.reload_presets()

    def reload_presets(self) -> PresetCatalog:
        """Read the preset files again, so that a long-lived process sees one that was just saved."""
        self.presets = load_presets([self._presets_dir] if self._presets_dir else [], self._presets)
        return self.presets

    def exporter(self, name: str) -> Exporter:
        """The exporter of that name, whatever its case.

        Raises:
            InputError: there is none; suggests the nearest.
        """
        found = self.exporters.get(name.strip().lower())
        if found is None:
            raise unknown_name("exporter", name, list(self.exporters))
        return found

    def _load(self, name: str, source: str, load: Callable[[], ModuleType], version: str = "") -> None:
        """Import, check and register one plug-in; on any failure take back what it registered."""
        info = PluginInfo(name, source, version)
        module: Any = None
        try:
            if self._pluggy.has_plugin(name):
                raise PluginError(f"another plug-in is already called {name!r}; rename one of them.")
            module = load()
            wanted = getattr(module, "FARM_PLUGIN_API", hookspecs.API_VERSION)
            if wanted != hookspecs.API_VERSION:
                raise PluginError(f"it was made for plug-in API {wanted}; this farm has {hookspecs.API_VERSION}.")
            self._pluggy.register(module, name)
            _refuse_unknown_hooks(module)
            exporters = self._exporters_of(module)
            presets = _presets_of(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - someone else's code: whatever it does, the farm goes on
            if module is not None and self._pluggy.is_registered(module):
                self._pluggy.unregister(module)
            reason = _reason(error)
            log.warning("plug-in %s (%s) is disabled: %s", name, source, reason)
            self.plugins.append(replace(info, enabled=False, reason=reason))
            return
        self.exporters.update(exporters)
        self._presets.extend((f"plug-in {name}", preset) for preset in presets)
        offers = [f"exporter {key}" for key in exporters] + [f"preset {preset.name}" for preset in presets]
        self.plugins.append(replace(info, offers=tuple(offers)))

    def _exporters_of(self, module: ModuleType) -> dict[str, Exporter]:
        found: dict[str, Exporter] = {}
        for exporter in _call(module, "farm_exporters"):
            _check_exporter(exporter)
            if exporter.name in self.exporters or exporter.name in found:
                raise PluginError(f"an exporter called {exporter.name!r} exists already; choose another name.")
            found[exporter.name] = exporter
        return found


def get_manager(settings: Settings | None = None) -> PluginManager:
    """Load all plug-ins of this home (by default the one that the environment names)."""
    settings = settings or Settings.from_environment()
    return PluginManager(settings.plugins_dir, settings.presets_dir)


def _files(folder: Path | None) -> list[Path]:
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if not path.name.startswith((".", "_"))]
    return sorted(p for p in found if p.suffix == ".py" or (p / "__init__.py").is_file())


def _import_file(path: Path) -> ModuleType:
    name = f"farm_plugin_{path.stem.replace('-', '_')}"
    file = path if path.is_file() else path / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file} can't be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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


def _presets_of(module: ModuleType) -> list[Preset]:
    presets: list[Preset] = []
    for given in _call(module, "farm_presets"):
        if isinstance(given, Preset):
            presets.append(given)
        elif isinstance(given, Path):
            presets.extend(map(read_preset, toml_files(given) if given.is_dir() else [given]))
        else:
            raise PluginError(f"farm_presets gave {type(given).__name__}; expected Preset or pathlib.Path.")
    return presets


def _check_exporter(exporter: Any) -> None:
    if isinstance(exporter, type) or not isinstance(exporter, Exporter):
        expected = "objects with name, extension, media_type and export()"
        raise PluginError(f"farm_exporters gave {exporter!r}; expected {expected}.")
    if exporter.name != exporter.name.strip().lower() or not exporter.name:
        raise PluginError(f"exporter name {exporter.name!r} must be lower case, without spaces around it.")
    if not exporter.extension.startswith("."):
        raise PluginError(f"exporter {exporter.name!r}: extension {exporter.extension!r} must start with a dot.")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".rstrip(": ")
