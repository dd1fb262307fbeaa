"""The whole contract between the farm and a plug-in, on one page.

A plug-in is a Python module that implements any of these functions under ``@hookimpl``. It may state
``FARM_PLUGIN_API = 1``; the farm refuses one made for another version of this page.
"""

from collections.abc import Iterable
from pathlib import Path

import pluggy

from model.cache_kinds import CacheKind
from model.plan.orders import Order

from .exporters.base import Exporter
from .families import Family
from .post.base import PostProcessor
from .presets import Preset
from .senders import Sender

API_VERSION = 1

hookspec = pluggy.HookspecMarker("farm")
hookimpl = pluggy.HookimplMarker("farm")


@hookspec
def farm_exporters() -> Iterable[Exporter]:
    """Exporters to offer; each name must be new. They run on whichever machine exports the video."""
    return ()


@hookspec
def farm_post_processors() -> Iterable[PostProcessor]:
    """Post-processors to offer, for frames on their way to an exporter; each name must be new."""
    return ()


@hookspec
def farm_families() -> Iterable[Family]:
    """Model families to offer; each name must be new. Their renderers run on whichever machine renders a section."""
    return ()


@hookspec
def farm_orders() -> Iterable[Order]:
    """Orders of sections to offer; each name must be new. ``links`` is called where a job is queued, and nowhere else:
    what it gave stands in the job's request."""
    return ()


@hookspec
def farm_caches() -> Iterable[CacheKind]:
    """Step caches to offer; each name must be new. They run on whichever machine renders a section."""
    return ()


@hookspec
def farm_senders() -> Iterable[Sender]:
    """Ways to tell people what happened; each name must be new. They run on the head."""
    return ()


@hookspec
def farm_presets() -> Iterable[Preset | Path]:
    """Presets to offer: ``Preset`` objects, TOML files, or folders of TOML files. One of a known name replaces it."""
    return ()
