"""Measuring a video file, whoever made it, in pieces of equal length."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch

from ..footage.apart import frames_apart
from .measures import measure_each
from .pieces import Measures

FPS = 30


def measured_file(data: bytes, seconds: float) -> Iterator[Measures]:
    """Of each piece of so many ``seconds``; a rest shorter than half of that is left out where there are others.

    Raises:
        InputError: it can't be decoded, or is longer than two minutes.
        ProcessLostError: the child that decodes it was killed.
    """
    length = max(1, round(seconds * FPS))
    with frames_apart(data, FPS) as (facts, pictures):
        frames = (torch.from_numpy(np.array(picture)) for picture in pictures)
        whole, rest = divmod(facts.frames, length)
        kept = [rest] if rest and (not whole or 2 * rest >= length) else []
        for count in [length] * whole + kept:
            yield measure_each(islice(frames, count), count)
