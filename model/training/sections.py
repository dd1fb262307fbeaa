"""The sections of clips as training draws them: those of a plan, as for a render of that length. No torch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.family import FamilyInfo
from model.plan import Given, make_plan
from model.plan.plan import FRAMES_PER_LATENT, Section

from .dataset import Clip


@dataclass(frozen=True)
class Example:
    """A ``section`` of a clip, planned as for a render."""

    clip: Clip
    section: Section


def examples_of(clip: Clip, info: FamilyInfo) -> list[Example]:
    """Every section of a clip, in the family's own order: contexts and distances are those of inference.

    A picture is a window of one latent, made as a video is that has no start image.
    """
    step = FRAMES_PER_LATENT * info.window / info.fps
    plan = make_plan(
        layout=info.layout,
        order=info.default_order,
        seconds=max(clip.sections, 1) * step,
        seed=0,
        prompt="",  # a caption is no timed prompt, whatever brackets it has
        fps=info.fps,
        given=Given(start_image=clip.sections > 0),
    )
    sections = [replace(section, prompt=clip.caption) for section in plan.sections]
    if not clip.sections:
        sections = [replace(section, stop=section.start + 1) for section in sections]
    return [Example(clip, section) for section in sections]


class Deck:
    """Examples in the order of training: in each epoch every one ``repeats`` times, shuffled anew.

    What is drawn at a position depends on the seed and the position alone.
    """

    def __init__(self, examples: Sequence[Example], seed: int) -> None:
        self._cards = [example for example in examples for _ in range(example.clip.repeats)]
        self._seed = seed
        self._epoch = -1
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._cards)

    def at(self, position: int) -> Example:
        """The example number ``position`` of the training, from 0."""
        epoch, place = divmod(position, len(self))
        if epoch != self._epoch:
            self._order = list(range(len(self)))
            random.Random(f"{self._seed}:{epoch}").shuffle(self._order)
            self._epoch = epoch
        return self._cards[self._order[place]]
