"""What a post-processor is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..exporters.base import Frame

MAX_SIDE = 8192
MAX_FPS = 240


@dataclass(frozen=True)
class Shape:
    """What frames are like: ``width`` and ``height`` in pixels, 1 to ``MAX_SIDE``; ``fps``, 1 to ``MAX_FPS``;
    ``frames``: how many."""

    width: int
    height: int
    fps: int
    frames: int

    @property
    def seconds(self) -> float:
        """How long they last."""
        return self.frames / self.fps


@runtime_checkable
class PostProcessor(Protocol):
    """Makes other frames of a video's frames. It keeps no state between calls, and the same frames and options give the
    same result, bit by bit.

    Attributes:
        name: what users pick, lower case, such as ``upscale``.

    It may also have:
        title: what it does, in one line, for people.
        options: a class made from ``plugins.exporters.Options``.
        weights: files (``pathlib.Path``) that it reads beside its code. A machine that lacks one, or has another, does
            no export with it; manifests have their hashes.
        unavailable: why it can't be used on this machine, in one line; empty when it can.
    """

    name: str

    def shape(self, before: Shape, options: Any) -> Shape:
        """What it makes of frames like that; they last as long, to half a frame.

        Args:
            before: of what comes.
            options: an instance of ``options``; None for a post-processor that has none.
        """
        ...

    def process(self, frames: Iterator[Frame], before: Shape, options: Any) -> Iterator[Frame]:
        """Yield the frames that ``shape`` promises.

        Args:
            frames: uint8 [height, width, 3] RGB in viewer order. Take them as you need them, and all: a video may be
                far larger than memory.
            before, options: as for ``shape``.
        """
        ...
