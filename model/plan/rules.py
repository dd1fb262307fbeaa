"""What of planning is a family's own beside its layout. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FRAMES_PER_LATENT = 4
"""Pixel frames per latent frame, except for the first one that a codec is given, which gives one."""


@dataclass(frozen=True)
class Rules:
    """How a family's videos are cut into sections, and what they begin with.

    Attributes:
        sections_alone: the codec is given each section by itself, so its first latent frame gives one pixel frame: nine
            make 33 frames, which no other section touches. Otherwise the video is one for the codec: latent 0 gives one
            frame, every other one four, and a section of nine adds 36.
        start_in_history: what is given stands in the history that the first section continues, and is not shown: a
            still picture as one latent frame, a video as many as the history has. All sections keep the first frame of
            all in their start slot; where nothing is given, that is the first one made. Otherwise the start image is
            latent 0 of the video itself.
    """

    sections_alone: bool = False
    start_in_history: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Rules":
        """Those of a family's facts: its table ``[plan]``."""
        return cls(**facts.get("plan", {}))

    def section_frames(self, window: int) -> int:
        """Pixel frames that a section of ``window`` latent frames adds to the video."""
        return pixel_frames(window) if self.sections_alone else FRAMES_PER_LATENT * window


CONTINUOUS = Rules()
"""A video that is one for the codec and begins with the start image, as FramePack's."""


def pixel_frames(latent_frames: int) -> int:
    """Pixel frames of so many latent frames: one of the first, four of every further one."""
    return 1 + FRAMES_PER_LATENT * (latent_frames - 1)
