"""What plug-ins offer, without importing them: each is probed in a process of its own, and runs only where it exports.

A plug-in that fails is disabled with its reason; the farm goes on without it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from farm.errors import InputError, unknown_name
from farm.settings import Settings

from . import builtin
from .caches import make_caches_known
from .exporters.options import Option, checked_options
from .families import is_own, make_known
from .loading import Verdict, load
from .orders import make_orders_known
from .presets import Preset, PresetCatalog, load_presets
from .probe import SECONDS, probe_all
from .sources import Source, find_sources

BUILT_IN = Source("built-in", "built-in")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginInfo:
    """One plug-in that was found. ``reason`` says in one line why it is disabled, ``where`` in its code that is;
    ``offers`` what it registered."""

    name: str
    source: str
    version: str = ""
    enabled: bool = True
    reason: str = ""
    offers: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What can be asked for by its name. ``source`` is the plug-in that has it, ``BUILT_IN`` for the farm's own;
    ``unavailable``: why it can't be used on this machine."""

    kind: ClassVar[str]
    name: str
    source: Source
    title: str = ""
    unavailable: str = ""
    options: tuple[Option, ...] = ()

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options as a person gave them, checked; InputError when one, or it itself, can't be used."""
        if self.unusable:
            raise InputError(f"{self.kind} {self.name} can't be used: {self.unusable}")
        return checked_options(f"{self.kind} {self.name}", self.options, options)

    @property
    def unusable(self) -> str:
        """Why it can't be used now; empty when it can."""
        return self.unavailable


@dataclass(frozen=True, kw_only=True)
class OfferedExporter(Offered):
    """An exporter."""

    kind = "exporter"
    extension: str
    media_type: str
    carries_sound: bool = False
    reads_latents: bool = False


@dataclass(frozen=True, kw_only=True)
class OfferedPostProcessor(Offered):
    """A post-processor. ``weights``: paths of the files that it reads."""

    kind = "post-processor"
    weights: tuple[str, ...] = ()

    @property
    def unusable(self) -> str:
        missing = [path for path in self.weights if not Path(path).is_file()]
        return self.unavailable or (f"its weights {missing[0]} are not there." if missing else "")


@dataclass(frozen=True, kw_only=True)
class OfferedSender(Offered):
    """A way to tell somebody what happened."""

    kind = "sender"


class _Fact(Protocol):
    @property
    def name(self) -> str: ...


_Offered = TypeVar("_Offered", bound=Offered)


class PluginManager:
    """The plug-ins of one home.

    Args:
        plugins_dir: where users put theirs; None or one that does not exist for none.
        presets_dir: the same for preset files.
        followed: where a node has the head's, as ``plugins`` and ``presets``, which go before those.
        defaults: the file that says which preset each model starts with.
        packages: whether installed packages are asked too.
        memory: file in which verdicts on plug-ins are remembered; None probes each time.
        again: whether plug-ins that were disabled are probed anew.
        seconds: longest time for a plug-in to be imported.

    Attributes:
        plugins: everything found, broken ones included, in the order of loading.
        exporters, post_processors, senders: by name.
        families, orders, caches: the plug-in of each model family, order and step cache that one brings, which this
            process then knows.
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
        followed: Path | None = None,
        defaults: Path | None = None,
    ) -> None:
        self.plugins: list[PluginInfo] = []
        self.exporters: dict[str, OfferedExporter] = {}
        self.post_processors: dict[str, OfferedPostProcessor] = {}
        self.families: dict[str, Source] = {}
        self.orders: dict[str, Source] = {}
        self.senders: dict[str, OfferedSender] = {}
        self.caches: dict[str, Source] = {}
        self._presets: list[tuple[str, Preset]] = []
        self._defaults = defaults
        self.presets: PresetCatalog
        self._add(BUILT_IN, load(builtin, BUILT_IN.name).verdict())
        folders = [followed / "plugins", plugins_dir] if followed else [plugins_dir]
        sources = find_sources(*folders, packages=packages)
        for source, verdict in zip(sources, probe_all(sources, memory, again=again, seconds=seconds), strict=True):
            self._add(source, verdict)
        theirs = followed / "presets" if followed else None
        self._presets_dirs = [folder for folder in (presets_dir, theirs) if folder]
        self.reload_presets()

    def reload_presets(self) -> PresetCatalog:
        """Read the preset files again, so that a long-lived process sees one that was just saved."""
        self.presets = load_presets(self._presets_dirs, self._presets, self._defaults)
        return self.presets

    def exporter(self, name: str) -> OfferedExporter:
        """The exporter of that name, whatever its case.

        Raises:
            InputError: there is none; suggests the nearest.
        """
        return _named("exporter", self.exporters, name)

    def post_processor(self, name: str) -> OfferedPostProcessor:
        """As ``exporter``."""
        return _named("post-processor", self.post_processors, name)

    def sender(self, name: str) -> OfferedSender:
        """As ``exporter``."""
        return _named("sender", self.senders, name)

    def _add(self, source: Source, verdict: Verdict) -> None:
        reason = verdict.reason or self._conflict(source, verdict)
        offers: list[str] = []
        if reason:
            log.warning("plug-in %s (%s) is disabled: %s", source.name, source.origin, reason)
        else:
            self.exporters |= {one.name: OfferedExporter(**dict(one), source=source) for one in verdict.exporters}
            self.post_processors |= {
                one.name: OfferedPostProcessor(**dict(one), source=source) for one in verdict.post_processors
            }
            self.senders |= {one.name: OfferedSender(**dict(one), source=source) for one in verdict.senders}
            self.families |= {one.name: source for one in verdict.families}
            make_known(source, ((one.name, one.facts) for one in verdict.families))
            self.orders |= {one.name: source for one in verdict.orders}
            make_orders_known(source, verdict.orders)
            self.caches |= {one.name: source for one in verdict.caches}
            make_caches_known(source, ((one.name, one.title) for one in verdict.caches))
            self._presets.extend((f"plug-in {source.name}", preset) for preset in verdict.presets)
            offers += [f"exporter {facts.name}" for facts in verdict.exporters]
            offers += [f"post-processor {facts.name}" for facts in verdict.post_processors]
            offers += [f"model family {facts.name}" for facts in verdict.families]
            offers += [f"order {facts.name}" for facts in verdict.orders]
            offers += [f"step cache {facts.name}" for facts in verdict.caches]
            offers += [f"sender {facts.name}" for facts in verdict.senders]
            offers += [f"preset {preset.name}" for preset in verdict.presets]
        info = PluginInfo(source.name, source.origin, source.version, not reason, reason, tuple(offers), verdict.where)
        self.plugins.append(info)

    def _conflict(self, source: Source, verdict: Verdict) -> str:
        if any(info.name == source.name and info.enabled for info in self.plugins):
            return f"another plug-in is already called {source.name!r}; rename one of them."
        for family in verdict.families:
            if family.name in self.families or is_own(family.name):
                return f"a model family called {family.name!r} exists already; choose another name."
        kinds: tuple[tuple[str, Sequence[_Fact], Mapping[str, object]], ...] = (
            ("an exporter", verdict.exporters, self.exporters),
            ("a post-processor", verdict.post_processors, self.post_processors),
            ("an order", verdict.orders, self.orders),
            ("a sender", verdict.senders, self.senders),
            ("a step cache", verdict.caches, self.caches),
        )
        for kind, offered, known in kinds:
            for fact in offered:
                if fact.name in known:
                    return f"{kind} called {fact.name!r} exists already; choose another name."
        return ""


def _named(kind: str, offered: Mapping[str, _Offered], name: str) -> _Offered:
    found = offered.get(name.strip().lower())
    if found is None:
        raise unknown_name(kind, name, list(offered))
    return found


def get_manager(settings: Settings | None = None, *, again: bool = False) -> PluginManager:
    """The plug-ins of this home, by default the one that the environment names; ``again`` as for ``PluginManager``."""
    settings = settings or Settings.from_environment()
    memory = settings.run_dir / "plugins.json" if settings.run_dir.is_dir() else None
    return PluginManager(
        settings.plugins_dir,
        settings.presets_dir,
        memory=memory,
        again=again,
        followed=followed(settings),
        defaults=settings.default_presets_path,
    )


def followed(settings: Settings) -> Path | None:
    """Where a node has the head's plug-ins and presets as they are now; None on a head, which follows nobody."""
    current = settings.followed_link
    return current.resolve() if settings.follows and current.is_dir() else None
