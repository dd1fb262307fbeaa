"""What a job's files are when they are opened. Neither torch nor FFmpeg."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

PHOTOGRAPH = 0.3
"""Pictures with less of one colour are taken for photographs."""


@dataclass(frozen=True)
class FileFacts:
    """What was found in a file. ``width`` and ``height``: upright, in pixels. ``format``: Pillow's name of a picture's,
    empty for a video. ``ground``: share of a picture that has its most frequent colour, or nearly; most of a drawing on
    plain ground, little of a photograph. ``frames`` at the model's rate and ``sound`` are a video's."""

    width: int
    height: int
    format: str = ""
    ground: float = 1.0
    frames: int = 0
    sound: bool = False

    @property
    def is_photograph(self) -> bool:
        """Whether it looks like one, rather than like a drawing."""
        return self.ground < PHOTOGRAPH


@dataclass(frozen=True)
class Footage:
    """Pictures of equal size, that of a bucket.

    ``start`` is the start image; ``anchors`` maps an anchor's name to its pictures in time order: one, or
    1 + 4 * (latent frames - 1). ``facts`` are those of each file by the name of its artifact.
    """

    start: Image.Image
    anchors: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict)
    facts: Mapping[str, FileFacts] = field(default_factory=dict)
