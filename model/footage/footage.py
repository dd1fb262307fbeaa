"""What a job's files are when they are opened. Neither torch nor FFmpeg."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image


@dataclass(frozen=True)
class FileFacts:
    """What was found in a file. ``width`` and ``height``: upright, in pixels. ``format``: Pillow's name of a picture's,
    empty for a video. ``frames`` at the model's rate and ``sound`` are a video's."""

    width: int
    height: int
    format: str = ""
    frames: int = 0
    sound: bool = False


@dataclass(frozen=True)
class Footage:
    """Pictures of equal size, that of a bucket.

    ``start`` is the start image; ``anchors`` maps an anchor's name to its pictures in time order: one, or
    1 + 4 * (latent frames - 1). ``facts`` are those of each file by the name of its artifact.
    """

    start: Image.Image
    anchors: Mapping[str, Sequence[Image.Image]] = field(default_factory=dict)
    facts: Mapping[str, FileFacts] = field(default_factory=dict)
