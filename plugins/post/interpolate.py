"""Another frame rate: frames between frames along their motion, by FFmpeg's minterpolate."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from farm.errors import FarmError

from ..exporters.base import Frame, Options
from ..exporters.frame_rate import MOTION, at_rate, frame_count
from .base import MAX_FPS, Shape

LEAST_SIDE = 32
"""Two of FFmpeg's blocks."""


class InterpolateOptions(Options):
    """Of the post-processor."""

    fps: int = Field(60, ge=1, le=MAX_FPS, description="Frames a second; the length stays.")
    method: Literal["motion", "blend", "repeat"] = Field(
        "motion",
        description="motion moves what moves; blend mixes neighbours; repeat shows the same frame again.",
    )


class Interpolate:
    """The same video at another rate."""

    name = "interpolate"
    title = "Another frame rate: along the motion, blended or repeated"
    options = InterpolateOptions

    def shape(self, before: Shape, options: InterpolateOptions) -> Shape:
        """As many frames as the rate asks for; FarmError where pictures are too small to see motion in."""
        if options.method == MOTION and min(before.width, before.height) < LEAST_SIDE:
            raise FarmError(f"motion is found in pictures from {LEAST_SIDE}x{LEAST_SIDE} pixels; upscale them before.")
        return replace(before, fps=options.fps, frames=frame_count(before.frames, before.fps, options.fps))

    def process(self, frames: Iterator[Frame], before: Shape, options: InterpolateOptions) -> Iterator[Frame]:
        """A few at a time."""
        return at_rate(frames, before.frames, before.fps, options.fps, options.method)
