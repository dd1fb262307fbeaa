"""What the packed transformer works out once per section."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from .inputs import SectionInputs

Value = TypeVar("Value")


class SectionMemo:
    """Remembers the results of one section's constant work, for all of its steps and both of its CFG branches.

    Nothing in it changes a result: everything is computed by the same operations on the same shapes as without it.

    Args:
        timesteps: of the section's steps. What depends on them is worked out for all at the first step, so that the
            weights behind it are not needed after; other timesteps are worked out when they come.
    """

    def __init__(self, timesteps: Sequence[float] = ()) -> None:
        self.timesteps = tuple(dict.fromkeys(timesteps))
        self._values: dict[tuple[Any, ...], tuple[tuple[Any, ...], Any]] = {}
        self._steps: dict[tuple[int, float], tuple[SectionInputs, Step]] = {}

    def once(self, name: str, owners: tuple[Any, ...], compute: Callable[[], Value]) -> Value:
        """The value ``name`` of the objects ``owners``, computed at the first call; the objects must not change."""
        key = (name, *map(id, owners))
        if key not in self._values:
            self._values[key] = (owners, compute())  # the owners are kept, so that no other object takes their ids
        value: Value = self._values[key][1]
        return value

    def step(
        self,
        inputs: SectionInputs,
        timestep: float,
        compute: "Callable[[Sequence[float]], Sequence[Step]]",
    ) -> "Step":
        """What ``compute`` gives for ``timestep``, asked for together with all timesteps that lie ahead."""
        key = (id(inputs), timestep)
        if key not in self._steps:
            ahead = self.timesteps if timestep in self.timesteps else (timestep,)
            for time, step in zip(ahead, compute(ahead), strict=True):
                self._steps[id(inputs), time] = (inputs, step)
        return self._steps[key][1]


class Step:
    """What a timestep decides before any image token is looked at.

    Attributes:
        embedding: of timestep, guidance and pooled text [batch, dim].
        text: image and text tokens [batch, tokens, dim]; at batch 1 without those that the mask leaves out.
        modulations: output of each modulation layer, in the order of ``modulation_norms``.
    """

    def __init__(
        self, embedding: torch.Tensor, text: torch.Tensor, modulations: tuple[torch.Tensor, ...] | None = None
    ) -> None:
        self.embedding, self.text, self.modulations = embedding, text, modulations
