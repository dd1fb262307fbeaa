"""Step caches that plug-ins bring: known by name, imported by the replica that renders with one."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from model.cache_kinds import Brought, CacheKind, add_cache, all_caches, content_of_cache

from .sources import Source


def make_caches_known(source: Source, caches: Iterable[tuple[str, str]]) -> None:
    """Have this process know the step caches (name, title) of a plug-in; its code is imported when one is used."""
    for name, title in caches:
        add_cache(Brought(name, title, source.content(), partial(_cache_of, source, name)))


def ensure_cache(text: str, settings: Any = None) -> None:
    """Look among the plug-ins of this home for the cache that a request means, if this process does not know it."""
    if (meant := content_of_cache(text)) and meant[0] not in all_caches():
        from .manager import get_manager

        get_manager(settings)


def _cache_of(source: Source, name: str) -> CacheKind:
    from .loading import load

    return load(source.module(), source.name).caches[name]
