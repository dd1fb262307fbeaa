"""Shots one after the other: the last frames of one pass over into the first of the next."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from plugins.exporters.base import Frame


def one_after_the_other(shots: Iterable[tuple[Iterator[Frame], int]]) -> Iterator[Frame]:
    """The frames of all shots; few are in memory at a time.

    Args:
        shots: the frames of each, and how many of its first ones are also the last of the shot before, 0 for a cut. A
            shot has at least as many as its own and the next one's together.
    """
    left: deque[Frame] = deque()
    shots = list(shots)
    for number, (frames, fade) in enumerate(shots):
        for place in range(fade):
            yield mixed(left.popleft(), next(frames), (place + 1) / (fade + 1))
        kept = shots[number + 1][1] if number + 1 < len(shots) else 0
        for frame in frames:
            left.append(frame)
            if len(left) > kept:
                yield left.popleft()


def mixed(leaving: Frame, entering: Frame, share: float) -> Frame:
    """Both pictures, the second one as ``share`` of them, 0 to 1."""
    return np.rint(leaving * np.float32(1 - share) + entering * np.float32(share)).astype(np.uint8)
