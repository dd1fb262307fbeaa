"""Anchors: pictures and stretches of video that are given beside the start image. No torch.

An anchor stands on a *boundary*: boundary b lies before section b, the last one at the video's end. Sections before it
see it as the future that they lead to, sections after it as the past that they come from; it is not shown itself.
Anchors cut the video into *gaps*, which don't see each other: the order fills each of them on its own, all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from farm.errors import InputError

START_IMAGE, END_IMAGE, SOURCE_VIDEO = "image", "end_image", "source_video"


@dataclass(frozen=True)
class Given:
    """What a video starts from and leads to, as far as it decides the plan.

    Attributes:
        start_image: whether there is one; without one the video starts from a blank picture, which is not shown.
        end_strength: how strongly the end image acts, 0 to 1; None: there is no end image.
        keyframes: seconds of the video at which pictures are given.
        extend: ``end``: the video goes on from the end of a given one; ``start``: it leads to the start of a given one.
        context_latents: latent frames of the given video that are seen.
    """

    start_image: bool = True
    end_strength: float | None = None
    keyframes: tuple[float, ...] = ()
    extend: Literal["end", "start"] | None = None
    context_latents: int = 5

    @property
    def shows_start(self) -> bool:
        """Whether the video's first frame is the start image."""
        return self.start_image and self.extend != "end"

    @property
    def has_future(self) -> bool:
        """Whether there is anything that sections lead to."""
        return self.end_strength is not None or bool(self.keyframes) or self.extend == "start"


@dataclass(frozen=True)
class Anchor:
    """A given picture or stretch of video.

    ``name`` is that of its tensors in the conditioning; ``frames`` its latent frames; context slots name them
    ``first``, ``first + 1`` ..., all below 0; ``strength`` (0 to 1) scales them and their share of the image embedding.
    """

    name: str
    boundary: int
    frames: int
    first: int
    strength: float = 1.0

    def as_future(self, latent: int, window: int) -> int | None:
        """Its latent that stands in for the video's latent ``latent``, seen from before the boundary."""
        offset = latent - 1 - self.boundary * window
        return self.first + offset if 0 <= offset < self.frames else None

    def as_past(self, latent: int, window: int) -> int | None:
        """The same, seen from after the boundary."""
        offset = latent - 1 - self.boundary * window + self.frames
        return self.first + offset if 0 <= offset < self.frames else None


@dataclass(frozen=True)
class Gap:
    """Sections ``first`` to ``stop`` - 1 and the anchors around them; no ``left``: the start image or nothing."""

    first: int
    stop: int
    left: Anchor | None
    right: Anchor | None

    def images(self, index: int) -> tuple[tuple[str, float], ...]:
        """Shares of the image embeddings at section ``index``: from left to right anchor in even steps.

        In a gap of one section with an end image each has half, as in the pull request that brought end frames to
        FramePack (lllyasviel/FramePack#167). Nothing given: the start image's alone, as an empty tuple.
        """
        left = self.left.name if self.left and self.left.name != SOURCE_VIDEO else START_IMAGE
        if self.right is None:
            return () if left == START_IMAGE else ((left, 1.0),)
        share = self.right.strength * (index - self.first + 0.5) / (self.stop - self.first)
        return (left, 1 - share), (self.right.name, share)


def keyframe_name(index: int) -> str:
    """Name of the keyframe ``index``, counted from 0: ``keyframe-1`` is the first."""
    return f"keyframe-{index + 1}"


def place_anchors(
    given: Given, count: int, window: int, seconds_per_section: float, start_in_history: bool = False
) -> tuple[Anchor, ...]:
    """The anchors of a video of ``count`` sections by boundary.

    Args:
        given: what they stand for.
        count, window: sections, and latent frames of each.
        seconds_per_section: of the video.
        start_in_history: a start image is an anchor, too: it stands before the first section and is not shown.

    Raises:
        InputError: two contradict each other, a keyframe lies outside the video or on a boundary that is taken.
    """
    placed: list[tuple[str, int, int, float]] = []
    if given.extend == "end":
        placed.append((SOURCE_VIDEO, 0, given.context_latents, 1.0))
    elif start_in_history and given.start_image:
        placed.append((START_IMAGE, 0, 1, 1.0))
    placed += [
        (keyframe_name(i), _boundary(second, count, seconds_per_section), 1, 1.0)
        for i, second in enumerate(given.keyframes)
    ]
    if given.end_strength is not None:
        if given.extend == "start":
            raise InputError("the video is to lead to a given video, so it can't have an end image; leave one out.")
        placed.append((END_IMAGE, count, 1, given.end_strength))
    if given.extend == "start":
        placed.append((SOURCE_VIDEO, count, given.context_latents, 1.0))
    anchors: list[Anchor] = []
    first = 0
    for name, boundary, frames, strength in placed:
        first -= frames
        anchors.append(Anchor(name, boundary, frames, first, strength))
    anchors.sort(key=lambda anchor: anchor.boundary)
    for one, other in pairwise(anchors):
        if one.boundary == other.boundary:
            raise InputError(
                f"{one.name} and {other.name} fall on the same seam, at {one.boundary * seconds_per_section:g} s; "
                f"sections are {seconds_per_section:g} s long, so keep keyframes that far apart."
            )
    return tuple(anchors)


def gaps_between(anchors: Sequence[Anchor], count: int) -> list[Gap]:
    """The gaps of a video of ``count`` sections in viewer order."""
    start = next((anchor for anchor in anchors if anchor.boundary == 0), None)
    walls: list[tuple[int, Anchor | None]] = [(0, start)]
    walls += [(anchor.boundary, anchor) for anchor in anchors if anchor.boundary]
    if walls[-1][0] < count:
        walls.append((count, None))
    return [Gap(first, stop, left, right) for (first, left), (stop, right) in pairwise(walls)]


def _boundary(second: float, count: int, step: float) -> int:
    boundary = int(second / step + 0.5)
    if not 1 <= boundary < count:
        inner = f"{step:g} s to {(count - 1) * step:g} s in steps of {step:g} s" if count > 1 else "none"
        raise InputError(
            f"keyframe at {second:g} s: pictures stand on the seams between sections ({inner}); for the beginning and "
            "the end use the start image and the end image."
        )
    return boundary
