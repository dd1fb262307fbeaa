"""What the device of a replica's process is, and what its node has on its disk; asked there."""

import logging
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from farm.errors import FarmError
from farm.jobs.assets import (
    Asset,
    Assets,
    NodeReport,
    cache_asset,
    exporter_asset,
    lora_asset,
    model_asset,
    post_asset,
)
from farm.settings import Settings

from .devices import UNKNOWN, DeviceFacts

if TYPE_CHECKING:
    import torch

BF16 = 8
"""Compute capability, its first number, from which cards have it."""
AGAIN_SECONDS = 60.0
"""After which plug-ins of which one is disabled are asked again: what it lacks may have been installed."""


class _Offered(NamedTuple):
    """Of plug-ins, without what is built in; good ``until``, by this process's clock."""

    exporters: list[Any]
    processors: list[Any]
    caches: dict[str, Any]
    until: float


_offered: dict[tuple[str, ...], _Offered] = {}
"""By what the plug-ins are, the newest alone."""

log = logging.getLogger(__name__)


def look_at(device: str, preserve: float) -> DeviceFacts:
    """What torch knows of a device, less the ``preserve`` GB left to others; nothing when it can't be asked."""
    if device == "cpu":
        return DeviceFacts(processor(), dtypes=("fp32",))
    try:
        import torch

        from model.device import GB, total_memory

        found = torch.device(device)
        major, minor = torch.cuda.get_device_capability(found)
        usable = max(0, total_memory(found) - round(preserve * GB))
        name, dtypes = torch.cuda.get_device_name(found), _dtypes(major)
        return DeviceFacts(name, usable, f"{major}.{minor}", dtypes, _products(found, dtypes[0]))
    except Exception as error:  # noqa: BLE001 - a device that is broken says so when it is given work
        log.warning("can't ask %s what it is: %s", device, error)
        return UNKNOWN


def _products(device: "torch.device", dtype: str) -> float:
    """How fast a card is before any section was rendered there."""
    import torch

    from model.device import product_speed

    try:
        return product_speed(device, torch.bfloat16 if dtype == "bf16" else torch.float16)
    except Exception as error:  # noqa: BLE001 - as above
        log.warning("can't measure %s: %s", device, error)
        return 0.0


def _dtypes(major: int) -> tuple[str, ...]:
    """Of a card; before Ampere they have no bf16. 8-bit weights are widened where a card can't multiply them."""
    return ("bf16", "fp16", "fp32", "fp8") if major >= BF16 else ("fp16", "fp32", "fp8")


def processor() -> str:
    """What this machine's calls itself; empty when it does not."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return ""


def look_around(settings: Settings) -> NodeReport:
    """What the node has: families whose weights are whole, LoRAs and exporters, by content. A large file is read once,
    then again only when its size or time changes."""
    from model.device import total_memory
    from model.families import FAMILIES, describe

    plugins = _plugins(settings)  # first, since they may bring families
    found: set[Asset] = set()
    faults: dict[str, str] = {}
    for family in list(FAMILIES):
        try:
            found.add(model_asset(family, describe(family, settings.model).checkpoint_sha256))
        except (FarmError, OSError) as error:
            faults[family] = str(error)
    return NodeReport(frozenset(found) | _loras(settings) | plugins, faults, total_memory(), _speed(settings))


def _speed(settings: Settings) -> float:
    with suppress(OSError, ValueError):
        return max(0.0, float(settings.speed_path.read_text()))
    return 0.0


def _loras(settings: Settings) -> Assets:
    from model.loras.library import available, digest

    found = set()
    for name, file in available(settings.model).items():
        with suppress(OSError):  # it is being changed
            found.add(lora_asset(name, digest(file, settings.model)))
    return frozenset(found)


def _plugins(settings: Settings) -> Assets:
    from plugins.manager import BUILT_IN, followed, get_manager
    from plugins.post.weights import content_of
    from plugins.sources import find_sources

    theirs = followed(settings)
    sources = find_sources(theirs and theirs / "plugins", settings.plugins_dir)
    identities = tuple(source.identity() for source in sources)
    known = _offered.get(identities)
    if known is None or time.monotonic() >= known.until:  # each is asked in a process of its own, which takes a moment
        manager = get_manager(settings, again=known is not None)
        disabled = any(not info.enabled for info in manager.plugins)
        known = _offered[identities] = _Offered(
            [one for one in manager.exporters.values() if one.source != BUILT_IN],
            [one for one in manager.post_processors.values() if one.source != BUILT_IN],
            manager.caches,
            time.monotonic() + AGAIN_SECONDS if disabled else inf,
        )
        for other in _offered.keys() - {identities}:
            _offered.pop(other, None)
    assets = {exporter_asset(one.name, one.source.content()) for one in known.exporters}
    assets |= {cache_asset(name, source.content()) for name, source in known.caches.items()}
    for one in known.processors:
        with suppress(OSError):  # its weights can't be read
            if not one.unusable:
                assets.add(post_asset(one.name, content_of(one, settings.model)))
    return frozenset(assets)
