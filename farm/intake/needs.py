"""What a job needs of a device and on a disk, said when it is queued: nobody looks at weights again to place it."""

from functools import lru_cache
from math import inf

from farm.errors import FarmError
from farm.jobs.assets import Assets, cache_asset, exporter_asset, lora_asset, model_asset, post_asset
from model.cache_kinds import content_of_cache
from model.checkpoint import Checkpoint
from model.memory import PROCESS, Footprint, footprint_of, plan_memory
from plugins.manager import BUILT_IN
from plugins.post.weights import content_of

from .request import Accepted

GB = 10**9
LARGE = 2 * GB
"""Bytes of weights from which a replica makes a memory plan; smaller models stay resident anywhere."""
LARGEST_CARD = 1000.0
ROUNDS = 16


def needs_of(checkpoint: Checkpoint) -> dict[str, int]:
    """Bytes that the model takes at least on a ``card``, by its smallest memory plan, and on a ``host`` without one."""
    weights = sum(part.weight_bytes for part in checkpoint.parts.values())
    if weights < LARGE:
        return {"card": weights, "host": weights}
    return {"card": round(least_card(footprint_of(checkpoint)) * GB), "host": weights + round(PROCESS * GB)}


@lru_cache(maxsize=8)
def least_card(footprint: Footprint) -> float:
    """GB of the smallest card for which there is a memory plan, a tenth at a time."""
    low, high = 0.0, LARGEST_CARD
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        try:
            plan_memory(footprint, middle, inf, preserve=0.0)
            high = middle
        except FarmError:
            low = middle
    return round(high + 0.05, 1)


def assets_for(accepted: Accepted) -> Assets:
    """What its tasks read on the disk of a node: weights, LoRAs, and the plug-ins that export it, by content."""
    family = accepted.family
    found = {model_asset(family.name, family.checkpoint_sha256)}
    found |= {lora_asset(lora.name, lora.sha256) for lora in accepted.request.loras if lora.sha256}
    for exporter in accepted.exporters:
        if exporter.source != BUILT_IN:
            found.add(exporter_asset(exporter.name, exporter.source.content()))
    for processor in accepted.post_processors:
        if processor.source != BUILT_IN:
            found.add(post_asset(processor.name, content_of(processor, accepted.settings)))
    if cache := content_of_cache(accepted.request.cache):
        found.add(cache_asset(*cache))
    return frozenset(found)
