"""What a job's model needs of a device, said when the job is queued: nobody looks at weights again to place it."""

from functools import lru_cache
from math import inf

from farm.errors import FarmError
from model.checkpoint import Checkpoint
from model.memory import HUNYUAN_13B, PROCESS, Footprint, plan_memory

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
    return {"card": round(least_card(HUNYUAN_13B) * GB), "host": weights + round(PROCESS * GB)}


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
