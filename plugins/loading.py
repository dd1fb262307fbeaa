"""Takes one imported plug-in module and answers what it offers, checked. Calls the plug-in's own functions."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel, ConfigDict

from farm.errors import PluginError
from farm.texts import toml_files
from model.cache_kinds import CacheKind
from model.choices import CACHES
from model.plan.orders import Order

from . import hookspecs
from .exporters.base import Exporter
from .exporters.options import Option, options_of
from .families import Family, check_family
from .orders import OrderFacts, check_order, facts_of_order
from .places import place_of, place_of_error
from .post.base import PostProcessor
from .presets import Preset, read_preset
from .senders import Sender

NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?")
A_NAME = "1 to 40 of a-z, 0-9, _, . and -, such as 'prores'; lower case"
EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,15}(?:\.[A-Za-z0-9]{1,15})?")
MEDIA_TYPE = re.compile(r"[a-z]{1,32}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
"""A type and a subtype as RFC 6838 writes them, without parameters."""


class _Facts(BaseModel):
    """What exporters and post-processors say of themselves."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str = ""
    unavailable: str = ""
    options: tuple[Option, ...] = ()


class PostProcessorFacts(_Facts):
    """A post-processor as its plug-in describes it. ``weights``: paths of the files that it reads."""

    weights: tuple[str, ...] = ()

    @classmethod
    def of(cls, processor: PostProcessor) -> "PostProcessorFacts":
        """As ``ExporterFacts.of``."""
        return cls(
            name=processor.name,
            title=getattr(processor, "title", ""),
            unavailable=getattr(processor, "unavailable", ""),
            options=options_of(getattr(processor, "options", None)),
            weights=tuple(str(path) for path in getattr(processor, "weights", ())),
        )


class ExporterFacts(_Facts):
    """An exporter as its plug-in describes it."""

    extension: str
    media_type: str
    carries_sound: bool = False
    reads_latents: bool = False

    @classmethod
    def of(cls, exporter: Exporter) -> "ExporterFacts":
        """What it says of itself; what it leaves out has its default.

        Raises:
            PluginError: its options can't be shown as a form.
            ValidationError: something is of another type.
        """
        more = ("title", "carries_sound", "reads_latents", "unavailable")
        return cls(
            name=exporter.name,
            extension=exporter.extension,
            media_type=exporter.media_type,
            options=options_of(getattr(exporter, "options", None)),
            **{name: getattr(exporter, name) for name in more if hasattr(exporter, name)},
        )


class SenderFacts(_Facts):
    """A sender as its plug-in describes it."""

    @classmethod
    def of(cls, sender: Sender) -> "SenderFacts":
        """As ``ExporterFacts.of``."""
        return cls(
            name=sender.name, title=getattr(sender, "title", ""), options=options_of(getattr(sender, "options", None))
        )


class CacheFacts(BaseModel):
    """A step cache: its name, and what it does."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str


class FamilyFacts(BaseModel):
    """A model family: its name, and the path of its facts."""

    model_config = ConfigDict(frozen=True)

    name: str
    facts: str


class Verdict(BaseModel):
    """What a plug-in offers, or the one-line ``reason`` why it can't be used, and ``where`` in its code that is."""

    model_config = ConfigDict(frozen=True)

    exporters: tuple[ExporterFacts, ...] = ()
    post_processors: tuple[PostProcessorFacts, ...] = ()
    presets: tuple[Preset, ...] = ()
    families: tuple[FamilyFacts, ...] = ()
    orders: tuple[OrderFacts, ...] = ()
    senders: tuple[SenderFacts, ...] = ()
    caches: tuple[CacheFacts, ...] = ()
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class Loaded:
    """What one plug-in offers, by name, and presets."""

    exporters: dict[str, Exporter]
    post_processors: dict[str, PostProcessor]
    presets: tuple[Preset, ...]
    families: dict[str, Family]
    orders: dict[str, Order]
    senders: dict[str, Sender]
    caches: dict[str, CacheKind]

    def verdict(self) -> Verdict:
        """The same without the objects that do the work."""
        exporters = map(ExporterFacts.of, self.exporters.values())
        processors = map(PostProcessorFacts.of, self.post_processors.values())
        families = (FamilyFacts(name=name, facts=str(one.facts.resolve())) for name, one in self.families.items())
        return Verdict(
            exporters=tuple(exporters),
            post_processors=tuple(processors),
            presets=self.presets,
            families=tuple(families),
            orders=tuple(map(facts_of_order, self.orders.values())),
            senders=tuple(map(SenderFacts.of, self.senders.values())),
            caches=tuple(
                CacheFacts(name=name, title=str(getattr(one, "title", ""))) for name, one in self.caches.items()
            ),
        )


def load(module: ModuleType, name: str) -> Loaded:
    """Ask ``module`` for what it offers.

    Raises:
        PluginError: it was made for another farm, or offers something unusable.
        Exception: whatever its functions raise.
    """
    hooks = pluggy.PluginManager("farm")
    hooks.add_hookspecs(hookspecs)
    hooks.register(module, name)
    for fault in faults(module):
        raise fault
    exporters = _named(module, "farm_exporters", "exporters", check_exporter)
    processors = _named(module, "farm_post_processors", "post-processors", check_post_processor)
    families = _named(module, "farm_families", "model families", check_family)
    orders = _named(module, "farm_orders", "orders", check_order)
    senders = _named(module, "farm_senders", "senders", check_sender)
    caches = _named(module, "farm_caches", "step caches", check_cache)
    return Loaded(exporters, processors, tuple(_presets_of(module)), families, orders, senders, caches)


def reason(error: BaseException) -> str:
    """Why a plug-in is disabled, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".rstrip(": ")


def where(error: BaseException, root: Path | None) -> str:
    """The line of a plug-in's code that an error is about. ``root``: its file or folder."""
    said = getattr(error, "where", "") if isinstance(error, PluginError) else ""
    return said or (place_of_error(error, root) if root else "")


def _call(module: ModuleType, hook: str) -> Iterable[Any]:
    function = getattr(module, hook, None)
    if function is None or not hasattr(function, "farm_impl"):
        return ()
    return tuple(function() or ())


def faults(module: ModuleType) -> Iterator[PluginError]:
    """All that is wrong with what a module says, before any of its functions is called."""
    wanted = getattr(module, "FARM_PLUGIN_API", hookspecs.API_VERSION)
    if wanted != hookspecs.API_VERSION:
        yield PluginError(f"it was made for plug-in API {wanted}; this farm has {hookspecs.API_VERSION}.")
    known = {name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "farm_spec")}
    for name, value in vars(module).items():
        if hasattr(value, "farm_impl") and name not in known:
            said = f"it implements an unknown hook {name!r}; known: {', '.join(sorted(known))}."
            yield PluginError(said, place_of(value))
        if name in known and callable(value) and not hasattr(value, "farm_impl"):
            yield PluginError(f"its function {name} is not marked with @hookimpl.", place_of(value))


def _presets_of(module: ModuleType) -> Iterable[Preset]:
    for given in _call(module, "farm_presets"):
        if isinstance(given, Preset):
            yield given
        elif isinstance(given, Path):
            yield from map(read_preset, toml_files(given) if given.is_dir() else [given])
        else:
            raise PluginError(f"farm_presets gave {type(given).__name__}; expected Preset or pathlib.Path.")


def _named(module: ModuleType, hook: str, what: str, check: Callable[[Any], None]) -> dict[str, Any]:
    """What a hook gives, by name."""
    found: dict[str, Any] = {}
    for offered in _call(module, hook):
        check(offered)
        if offered.name in found:
            raise PluginError(f"it offers two {what} called {offered.name!r}.", place_of(offered))
        found[offered.name] = offered
    return found


def check_exporter(exporter: Any) -> None:
    """PluginError when it is no exporter, or its words are unusable."""
    if isinstance(exporter, type) or not isinstance(exporter, Exporter):
        expected = "objects with name, extension, media_type and export()"
        raise PluginError(f"farm_exporters gave {exporter!r}; expected {expected}.", place_of(exporter))
    _check_words(
        "exporter",
        exporter,
        ("name", exporter.name, NAME, A_NAME),
        ("extension", exporter.extension, EXTENSION, "a dot and letters or digits, such as '.mov'"),
        ("media type", exporter.media_type, MEDIA_TYPE, "type/subtype, such as 'video/mp4'"),
    )


def check_post_processor(processor: Any) -> None:
    """PluginError when it is no post-processor, or its name is unusable."""
    if isinstance(processor, type) or not isinstance(processor, PostProcessor):
        expected = "objects with name, shape() and process()"
        raise PluginError(f"farm_post_processors gave {processor!r}; expected {expected}.", place_of(processor))
    _check_words("post-processor", processor, ("name", processor.name, NAME, A_NAME))


def check_sender(sender: Any) -> None:
    """PluginError when it is no sender, or its name is unusable."""
    if isinstance(sender, type) or not isinstance(sender, Sender):
        raise PluginError(f"farm_senders gave {sender!r}; expected objects with name and send().", place_of(sender))
    _check_words("sender", sender, ("name", sender.name, NAME, A_NAME))


def check_cache(cache: Any) -> None:
    """PluginError when it is no step cache, or its name is unusable."""
    if isinstance(cache, type) or not isinstance(cache, CacheKind):
        raise PluginError(f"farm_caches gave {cache!r}; expected objects with name and prepare().", place_of(cache))
    _check_words("step cache", cache, ("name", cache.name, NAME, A_NAME))
    if cache.name in CACHES:
        raise PluginError(f"a step cache called {cache.name!r} exists already; choose another name.", place_of(cache))


def _check_words(kind: str, offered: Any, *words: tuple[str, Any, re.Pattern[str], str]) -> None:
    for what, value, pattern, expected in words:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            said = f"{kind} {offered.name!r}: {what} {value!r} is unusable; expected {expected}."
            raise PluginError(said, place_of(offered))
