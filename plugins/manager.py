"""What plug-ins offer, without importing them: each is probed in a process of its own, and runs only where it exports.

A plug-in that fails is disabled with its reason; the farm goes on without it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from farm.errors import unknown_name
from farm.settings import Settings

from . import builtin
from .loading import Verdict, load
from .presets import Preset, PresetCatalog, load_presets
from .probe import SECONDS, probe_all
from .sources import Source, find_sources

BUILT_IN = Source("built-in", "built-in")

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


@dataclass(frozen=True)
class OfferedExporter:
    """An exporter that can be asked for. ``source`` is the plug-in that has it, ``BUILT_IN`` for the farm's own."""

    name: str
    extension: str
    media_type: str
    source: Source


class PluginManager:
    """The plug-ins of one home.

    Args:
        plugins_dir: where users put theirs; None or one that does not exist for none.
        presets_dir: the same for preset files.
        packages: whether installed packages are asked too.
        memory: file in which verdicts on plug-ins are remembered; None probes each time.
        again: whether plug-ins that were disabled are probed anew.
        seconds: longest time for a plug-in to be imported.

    Attributes:
        plugins: everything found, broken ones included, in the order of loading.
        exporters: by name.
        presets: built-in ones, those of plug-ins, and those of ``presets_dir``, which win.
    """

    def __init__(
        self,
        plugins_dir: Path | None = None,
        presets_dir: Path | None = None,
        packages: bool = True,
        memory: Path | None = None,
        again: bool = False,
        seconds: float = SECONDS,
    ) -> None:
        self.plugins: list[PluginInfo] = []
        self.exporters: dict[str, OfferedExporter] = {}
        self._presets: list[tuple[str, Preset]] = []
        self.presets: PresetCatalog
        self._add(BUILT_IN, load(builtin, BUILT_IN.name).verdict())
        sources = find_sources(plugins_dir, packages)
        for source, verdict in zip(sources, probe_all(sources, memory, again=again, seconds=seconds), strict=True):
            self._add(source, verdict)
        self._presets_dir = presets_dir
        self.reload_presets()

    def reload_presets(self) -> PresetCatalog:
        """Read the preset files again, so that a long-lived process sees one that was just saved."""
        self.presets = load_presets([self._presets_dir] if self._presets_dir else [], self._presets)
        return self.presets

    def exporter(self, name: str) -> OfferedExporter:
        """The exporter of that name, whatever its case.

        Raises:
            InputError: there is none; suggests the nearest.
        """
        found = self.exporters.get(name.strip().lower())
        if found is None:
            raise unknown_name("exporter", name, list(self.exporters))
        return found

    def _add(self, source: Source, verdict: Verdict) -> None:
        reason = verdict.reason or self._conflict(source, verdict)
        offers: list[str] = []
        if reason:
            log.warning("plug-in %s (%s) is disabled: %s", source.name, source.origin, reason)
        else:
            for facts in verdict.exporters:
                offered = OfferedExporter(facts.name, facts.extension, facts.media_type, source)
                self.exporters[facts.name] = offered
            self._presets.extend((f"plug-in {source.name}", preset) for preset in verdict.presets)
            offers += [f"exporter {facts.name}" for facts in verdict.exporters]
            offers += [f"preset {preset.name}" for preset in verdict.presets]
        info = PluginInfo(source.name, source.origin, source.version, not reason, reason, tuple(offers))
        self.plugins.append(info)

    def _conflict(self, source: Source, verdict: Verdict) -> str:
        if any(info.name == source.name and info.enabled for info in self.plugins):
            return f"another plug-in is already called {source.name!r}; rename one of them."
        for facts in verdict.exporters:
            if facts.name in self.exporters:
                return f"an exporter called {facts.name!r} exists already; choose another name."
        return ""


def get_manager(settings: Settings | None = None, *, again: bool = False) -> PluginManager:
    """The plug-ins of this home, by default the one that the environment names; ``again`` as for ``PluginManager``."""
    settings = settings or Settings.from_environment()
    memory = settings.run_dir / "plugins.json" if settings.run_dir.is_dir() else None
    return PluginManager(settings.plugins_dir, settings.presets_dir, memory=memory, again=again)
