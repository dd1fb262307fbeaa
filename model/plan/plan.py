"""The plan of one video: a pure function of the request and the model's layout."""

from dataclasses import dataclass

from .context import ContextSlot


@dataclass(frozen=True)
class Section:
    """One section: ``window`` latent frames rendered by one task.

    ``index`` counts in viewer order; ``start``/``stop`` are absolute latent frames (latent 0 is the start image);
    ``predecessors`` are the sections whose latents fill its context; ``level`` is its depth in the DAG, from 0;
    ``seed`` seeds its noise; ``prompt`` is its resolved text.
    """

    index: int
    start: int
    stop: int
    predecessors: tuple[int, ...]
    slots: tuple[ContextSlot, ...]
    window_index: int
    level: int
    seed: int
    prompt: str
