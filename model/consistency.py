"""``consistency_boost``: finished frames drawn back to the start image's colours, and jumps at seams evened out.

Long videos drift: brightness, contrast and tint wander from section to section. Two corrections, both without training
and both functions of finished frames alone, so that neither the order of tasks nor the cluster matters:

*Colours.* Per section and colour channel, mean and contrast (standard deviation) are averaged over its frames, and an
affine map brings them back to those of the anchor: the video's first frame, or what a new beginning leads to. The map
holds at the middle of its section; in between maps are interpolated, and at the anchor nothing changes, so that the
correction itself has no seams.

*Seams.* What the frames on both sides of a seam differ by, beyond a usual step and seen through a coarse grid, is
spread over ``SPREAD`` frames on each side: low spatial frequencies pass over slowly while outlines stay where they are,
as in multi-band blending (Burt and Adelson, 1983), here along time.

The boost, 0 to 1, scales both; with 0 nothing is computed and no bit changes. Sums are of integers, so that they are
the same on every machine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

SPREAD = 8
"""Frames on each side of a seam over which its jump is spread."""
GRID = 16
"""Rows and columns of the grid through which a jump is seen."""
MOST_GAIN = 1.5
"""Contrast is changed at most by this factor, either way: a scene that fades to black is not blown up."""
MOST_SHIFT = 64.0
"""A channel's mean is moved at most this far, of 255."""


@dataclass(frozen=True)
class ColourMap:
    """Per channel ``pixel * gain + shift``: both [3]."""

    gain: Values
    shift: Values

    def towards(self, other: "ColourMap", share: float) -> "ColourMap":
        """This map with a ``share`` of another one, 0 to 1."""
        return ColourMap(self.gain + share * (other.gain - self.gain), self.shift + share * (other.shift - self.shift))


NO_CHANGE = ColourMap(np.ones(3), np.zeros(3))


@dataclass(frozen=True)
class _Section:
    """A section's ``frames`` [n, h, w, 3] and the map that would bring it to the anchor's colours.

    It ``starts`` with the anchor, or it ``ends`` where the anchor follows: there nothing is changed.
    """

    frames: Frames
    colours: ColourMap
    starts: bool = False
    ends: bool = False

    @property
    def middle(self) -> float:
        return (len(self.frames) - 1) / 2

    @cached_property
    def edges(self) -> Values:
        """Grids [4, GRID, GRID, 3] of its first two and last two frames."""
        count = len(self.frames)
        return np.stack([_grid(self.frames[max(0, min(count - 1, i))]) for i in (0, 1, count - 2, count - 1)])


def consistent(sections: Iterable[Frames], boost: float, then: Frames | None = None) -> Iterator[Frames]:
    """Correct the sections of a video in viewer order; three of them are in memory at a time.

    Args:
        sections: frames [n, height, width, 3], one piece per section.
        boost: 0 to 1.
        then: the picture [height, width, 3] that comes after the last frame, if there is one: it is the anchor in place
            of the first frame, and the change fades out towards it.
    """
    if boost == 0:
        yield from sections
        return
    anchor = None if then is None else _look(then[None])
    before: _Section | None = None
    here: _Section | None = None
    for frames in sections:
        starts = anchor is None
        anchor = anchor or _look(frames[:1])
        after = _Section(frames, _map_to(anchor, frames, boost), starts)
        if here is not None:
            yield _corrected(before, here, after, boost)
        before, here = here, after
    if here is not None:
        yield _corrected(before, replace(here, ends=then is not None), None, boost)


def in_sections(pieces: Iterable[Frames], counts: Iterable[int]) -> Iterator[Frames]:
    """The same frames in pieces of ``counts`` frames."""
    source = iter(pieces)
    held: list[Frames] = []
    for count in counts:
        while sum(map(len, held)) < count:
            held.append(next(source))
        joined = np.concatenate(held) if len(held) > 1 else held[0]
        yield joined[:count]
        held = [joined[count:]]


def _look(frames: Frames) -> tuple[Values, Values]:
    """Mean and standard deviation [3] of a picture's pixels, averaged over frames."""
    wide = frames.reshape(len(frames), -1, 3)
    pixels = wide.shape[1]
    sums = wide.sum(axis=1, dtype=np.int64)
    squares = np.stack([(frame.astype(np.int64) ** 2).sum(axis=0) for frame in wide])
    variance = (squares * pixels - sums**2) / pixels**2
    return (sums / pixels).mean(axis=0), np.sqrt(variance).mean(axis=0)


def _map_to(anchor: tuple[Values, Values], frames: Frames, boost: float) -> ColourMap:
    mean, contrast = _look(frames)
    gain = np.clip(anchor[1] / np.maximum(contrast, 1.0), 1 / MOST_GAIN, MOST_GAIN)
    gain = 1 + boost * (gain - 1)
    wanted = mean + boost * np.clip(anchor[0] - mean, -MOST_SHIFT, MOST_SHIFT)
    return ColourMap(gain, wanted - gain * mean)


def _corrected(before: _Section | None, here: _Section, after: _Section | None, boost: float) -> Frames:
    """A section with its maps and its share of the jumps at both of its seams."""
    height, width = here.frames.shape[1:3]
    head = _field(before, here, height, width) if before else None
    tail = _field(here, after, height, width) if after else None
    count = len(here.frames)
    made = np.empty_like(here.frames)
    for index, frame in enumerate(here.frames):
        colours = _map_at(before, here, after, index)
        pixels = frame * colours.gain.astype(np.float32) + colours.shift.astype(np.float32)
        if head is not None and index < SPREAD:
            pixels -= head * np.float32(boost * (SPREAD - index) / SPREAD)
        if tail is not None and count - 1 - index < SPREAD:
            pixels += tail * np.float32(boost * (SPREAD - (count - 1 - index)) / SPREAD)
        made[index] = pixels.round().clip(0, 255)
    return made


def _map_at(before: _Section | None, here: _Section, after: _Section | None, index: int) -> ColourMap:
    """The map of a frame: between those of the section's own middle and the neighbour's on the frame's side."""
    distance = index - here.middle
    if (here.starts and distance < 0) or (here.ends and distance > 0):
        return here.colours.towards(NO_CHANGE, abs(distance) / here.middle)
    neighbour = before if distance < 0 else after
    if neighbour is None:
        return here.colours
    apart = (len(here.frames) + len(neighbour.frames)) / 2
    return here.colours.towards(neighbour.colours, abs(distance) / apart)


def _field(before: _Section, after: _Section, height: int, width: int) -> npt.NDArray[np.float32]:
    """Half of the jump [h, w, 3] from one section's end to the next one's beginning, beyond the steps beside it."""
    colours = _map_at(before, after, None, 0)
    jump = after.edges[0] - before.edges[3]
    usual = (before.edges[3] - before.edges[2] + after.edges[1] - after.edges[0]) / 2
    half = (jump - usual) * colours.gain / 2
    rows, columns = _spread(height), _spread(width)
    field = np.einsum("ycx,zc->yzx", np.einsum("yr,rcx->ycx", rows, half), columns)
    return field.astype(np.float32)


def _grid(frame: Frames) -> Values:
    """Means [GRID, GRID, 3] of the cells of a frame."""
    height, width = frame.shape[:2]
    tops, lefts = (np.arange(GRID) * side // GRID for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(frame, tops, axis=0, dtype=np.int64), lefts, axis=1)
    areas = np.outer(np.diff(tops, append=height), np.diff(lefts, append=width))
    means: Values = sums / areas[..., None]
    return means


def _spread(side: int) -> Values:
    """Weights [side, GRID] with which pixels take the values of cells: linear between the cells' middles."""
    places = np.clip((np.arange(side) + 0.5) * GRID / side - 0.5, 0, GRID - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(GRID)[None, :]))
