"""Larger pictures, by the filters of Pillow: no detail is invented."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from ..exporters.base import Frame, Options
from .base import Shape

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


class UpscaleOptions(Options):
    """Of the post-processor."""

    scale: float = Field(2, ge=1, le=8, description="How many times as wide and high; sides are rounded to even ones.")
    filter: Literal["lanczos", "bicubic", "nearest"] = Field(
        "lanczos", description="lanczos is sharpest; nearest keeps hard edges of pixel art."
    )


class Upscale:
    """The same pictures with more pixels."""

    name = "upscale"
    title = "Larger pictures: Lanczos, bicubic or nearest"
    options = UpscaleOptions

    def shape(self, before: Shape, options: UpscaleOptions) -> Shape:
        """Larger, with even sides."""
        width, height = (2 * round(side * options.scale / 2) for side in (before.width, before.height))
        return replace(before, width=width, height=height)

    def process(self, frames: Iterator[Frame], before: Shape, options: UpscaleOptions) -> Iterator[Frame]:
        """One by one."""
        after = self.shape(before, options)
        for frame in frames:
            picture = Image.fromarray(frame).resize((after.width, after.height), FILTERS[options.filter])
            yield np.asarray(picture)
