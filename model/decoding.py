"""Which latents a chunk of the video is decoded from, and which frames it gives. No torch.

A causal codec decodes the first latent it is given to one frame and every further one to four, so a chunk that begins
at latent ``i`` begins at frame ``4 * i``. A chunk reads latents of its neighbours for one of two reasons. As *context*:
frames beside the section's own are thrown away. Or to *blend*: all are kept, and where two chunks overlap the video
passes from one to the other. Blending is how FramePack's two programs join sections: each decode takes the new section
with the one rendered just before, 18 latents for 69 frames, of which 33 are blended (demo_gradio.py decodes the section
with the *next* one in time, demo_gradio_f1.py with the *previous* one).
"""

from dataclasses import dataclass

from farm.errors import InputError

from .plan.plan import Plan
from .plan.rules import FRAMES_PER_LATENT, pixel_frames


@dataclass(frozen=True)
class Chunk:
    """One decode: absolute ``latents`` that it reads, frames of the video that it gives, and how many decoded frames to
    ``skip`` before the first of them."""

    index: int
    latents: range
    frames: range
    skip: int


@dataclass(frozen=True)
class Decoding:
    """How a family's codec is used; the same on every device, because it decides pixels.

    Attributes:
        before, after: latent frames beside the section's own that its decoding reads; cut off at the video's ends.
        blend: keep the frames of all of them and blend where chunks overlap; else they are context only.
        alone: each section is decoded by itself and nothing is thrown away: see ``plan.rules``.
        tile_above: largest picture, in pixels, that is decoded in one piece when nobody says how; 0 if the codec can't
            decode in tiles.
    """

    before: int = 1
    after: int = 0
    blend: bool = False
    tile_above: int = 0
    alone: bool = False

    def __post_init__(self) -> None:
        if not (self.blend or self.alone) and self.before < 1:
            raise InputError("decode_before is 0; a chunk needs a latent before it, whose own frames are cut off.")

    def chunk(self, plan: Plan, index: int) -> Chunk:
        """The chunk of section ``index``; every frame of the video is in one or two chunks."""
        section = plan.sections[index]
        if self.alone:
            return Chunk(index, range(section.start, section.stop), section.frames, 0)
        first = section.start - self.before if index else 0
        latents = range(max(first, 0), min(section.stop + self.after, plan.latent_frames))
        decoded = range(FRAMES_PER_LATENT * latents.start, pixel_frames(latents.stop))
        given = decoded if self.blend else section.frames
        return Chunk(index, latents, given, given.start - decoded.start)

    def overlaps(self, plan: Plan, index: int) -> tuple[int, int]:
        """Frames at the beginning and end of a chunk that the chunks before and after it give as well."""
        last = len(plan.sections) - 1
        mine = self.chunk(plan, index).frames
        head = self.chunk(plan, index - 1).frames.stop - mine.start if index else 0
        tail = mine.stop - self.chunk(plan, index + 1).frames.start if index < last else 0
        return head, tail

    def tiles(self, height: int, width: int, wish: str = "auto") -> bool:
        """Whether pictures of this size are decoded in tiles: a rule that knows no device, so that pixels don't either.

        Args:
            height, width: pixels.
            wish: ``on``, ``off``, or ``auto``: above ``tile_above`` pixels.

        Raises:
            InputError: the codec can't.
        """
        if wish == "on" and not self.tile_above:
            raise InputError("vae_tiling is 'on', but this model's codec can't decode in tiles; expected auto or off.")
        return wish == "on" or (wish == "auto" and 0 < self.tile_above < height * width)


def sections_read(plan: Plan, latents: range) -> tuple[int, ...]:
    """Sections that hold any of these latents."""
    return tuple(s.index for s in plan.sections if s.start < latents.stop and latents.start < s.stop)
