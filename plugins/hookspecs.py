"""The whole contract between the farm and a plug-in, on one page.

A plug-in is a Python module that implements any of these functions under ``@hookimpl``. It may state
``FARM_PLUGIN_API = 1``; the farm refuses one made for another version of this page.
"""

from collections.abc import Iterable
from pathlib import Path

import pluggy

from .exporters.base import Exporter
from .presets import Preset

API_VERSION = 1

hookspec = pluggy.HookspecMarker("farm")
hookimpl = pluggy.HookimplMarker("farm")


@hookspec
def farm_exporters() -> Iterable[Exporter]:
    """Exporters to offer; each name must be new. They run on whichever machine exports the video."""
    return ()


@hookspec
def farm_presets() -> Iterable[Preset | Path]:
    """Presets to offer: ``Preset`` objects, TOML files, or folders of TOML files. One of a known name replaces it."""
    return ()
