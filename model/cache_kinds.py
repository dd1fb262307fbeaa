"""Step caches that plug-ins bring: known by their name and the content of the plug-in, imported where they render."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from farm.errors import InputError, unknown_name
from model.choices import CACHES

if TYPE_CHECKING:
    from torch import nn

    from model.caches.base import StepCache
    from model.family import FamilyInfo, SamplingParams

MARK = "@"
"""Parts the name of a cache in a request from the content of the plug-in that it means."""


@runtime_checkable
class CacheKind(Protocol):
    """A way to skip work in steps whose result would hardly change.

    Attributes:
        name: what users pick, lower case, such as ``every-other``.

    It may also have ``title``: what it does, in one line, for people.
    """

    name: str

    def prepare(
        self, transformer: "nn.Module", params: "SamplingParams", info: "FamilyInfo"
    ) -> "AbstractContextManager[StepCache]":
        """Prepare ``transformer`` for the section that is denoised inside the block; afterwards it is as before.

        The same latents and parameters must skip the same steps, wherever that is.
        """
        ...


@dataclass(frozen=True)
class Brought:
    """``content``: of its plug-in (``plugins.sources.Source.content``); ``imported``: gives the cache itself."""

    name: str
    title: str
    content: str
    imported: Callable[[], CacheKind]

    @property
    def text(self) -> str:
        """As a request has it."""
        return f"{self.name}{MARK}{self.content}"


_brought: dict[str, Brought] = {}


def add_cache(cache: Brought) -> None:
    """Make a cache of a plug-in known in this process."""
    _brought[cache.name] = cache


def forget_cache(name: str) -> None:
    """Have this process not know a plug-in's cache any more."""
    _brought.pop(name, None)


def all_caches() -> dict[str, str]:
    """Every name that ``cache`` takes, with what users are told about it."""
    return {**CACHES, **{name: cache.title or "of a plug-in" for name, cache in _brought.items()}}


def cache_text(name: str) -> str:
    """A cache as a request has it: that of a plug-in with its content.

    Raises:
        InputError: there is none of that name, or it is another one than is meant.
    """
    short = short_cache(name)
    if short in CACHES:
        return short
    if short not in _brought:
        raise unknown_name("cache", short, list(all_caches()))
    found = _brought[short]
    if MARK in name and name != found.text:
        raise InputError(
            f"cache {short!r} is another one here than is meant: its plug-in differs. Leave out what follows {MARK} to "
            "take the one that is here."
        )
    return found.text


def find_cache(text: str) -> CacheKind:
    """The cache that a request means; imports its plug-in. InputError as for ``cache_text``."""
    cache_text(text)
    return _brought[short_cache(text)].imported()


def short_cache(text: str) -> str:
    """A cache for people."""
    return text.partition(MARK)[0]


def content_of_cache(text: str) -> tuple[str, str] | None:
    """Name and content of a plug-in's cache as a request has it; None for one of the farm's own."""
    name, mark, content = text.partition(MARK)
    return (name, content) if mark else None
