"""Looking at a section as soon as it is rendered: its pictures, and those of what touches it, before any neighbour that
its chunk of the video is decoded with is there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..family import Renderer
from ..pixels import to_bytes
from ..plan.plan import FRAMES_PER_LATENT, Section
from .gate import Around
from .measures import measure
from .pieces import Measures

Latents = Mapping[int, Tensor]
"""[channels, h, w] by absolute frame: a section's own, and those of the sections that it was conditioned on."""


@dataclass(frozen=True)
class Seen:
    """Frames [n, height, width, 3] uint8 of a section, and of what touches it; None where nothing is there."""

    own: Tensor
    before: Tensor | None
    after: Tensor | None


def look(
    renderer: Renderer, section: Section, latents: Latents, given: Sequence[Tensor], tiled: bool = False
) -> tuple[Measures, Around]:
    """What a rendered section is like, and what it is judged by.

    Args:
        section: which.
        latents: its own, and those that it was conditioned on.
        given: latents [channels, 1, h, w] of pictures that the video starts from or leads to.
        tiled: see ``Renderer.decode``.
    """

    def decode(frames: range) -> Tensor:
        return to_bytes(renderer.decode(torch.stack([latents[i] for i in frames], dim=1), tiled))

    seen = (_by_themselves if renderer.info.decoding.alone else _in_one_piece)(section, latents, decode)
    pictures = [to_bytes(renderer.decode(picture, tiled)) for picture in given]
    with one_thread():
        around = Around(
            tuple(measure(picture[:1]) for picture in pictures),
            None if seen.before is None else measure(seen.before),
            None if seen.after is None else measure(seen.after),
        )
        return measure(seen.own), around


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums come out the same on machines with other numbers of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _in_one_piece(section: Section, latents: Latents, decode: Callable[[range], Tensor]) -> Seen:
    """Of a codec for which the video is one: with the two latents before it, whose second gives the frames before."""
    own = range(section.start, section.stop)
    lead = next((count for count in (2, 1) if all(own.start - i in latents for i in range(1, count + 1))), 0)
    if lead and own.start - lead < 0:
        lead = 1  # a given video's frames have numbers below 0: they are another's
    tail = own.stop in latents
    frames = decode(range(own.start - lead, own.stop + tail))
    first = 1 + FRAMES_PER_LATENT * max(0, lead - 1)
    """Its first latent is decoded as one frame without any before it, and is left out."""
    stop = first + FRAMES_PER_LATENT * (len(own) if lead else len(own) - 1)
    before = frames[first - FRAMES_PER_LATENT if lead > 1 else 0 : first] if lead else None
    return Seen(frames[first:stop], before, frames[stop:] if tail else None)


def _by_themselves(section: Section, latents: Latents, decode: Callable[[range], Tensor]) -> Seen:
    """Of a codec that is given each section alone: so are its neighbours."""
    count = section.stop - section.start
    past, future = range(section.start - count, section.start), range(section.stop, section.stop + count)
    before = decode(past)[-FRAMES_PER_LATENT:] if past.start > 0 and all(i in latents for i in past) else None
    after = decode(future)[:FRAMES_PER_LATENT] if all(i in latents for i in future) else None
    return Seen(decode(range(section.start, section.stop)), before, after)
