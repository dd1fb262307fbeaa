"""Keeps on a device what a memory plan allows there: all of a model at once, or one part after the other."""

from collections.abc import Callable

import torch

from .checkpoint import Checkpoint
from .device import GB, HOST, free_memory
from .memory import PLACEMENTS, MemoryBudget, Placement, footprint_of, plan_memory
from .transformer import PackedTransformer

Move = Callable[[torch.device], object]
"""Moves a part to a device."""

LARGE = 2 * GB
"""Bytes of weights from which a model is planned for; smaller ones stay resident anywhere."""


class Turns:
    """The parts of a model that take turns on one device.

    Under a placement that keeps everything, parts come to the device when they are first needed and stay. Under the
    others, a part that comes sends away those that are there.
    """

    def __init__(self, placement: Placement, device: torch.device) -> None:
        self.placement, self.device = placement, device
        self._moves: dict[str, Move] = {}
        self._here: set[str] = set()

    def add(self, name: str, move: Move) -> None:
        """A part that lies on the host now."""
        self._moves[name] = move

    @property
    def here(self) -> frozenset[str]:
        """Parts on the device."""
        return frozenset(self._here)

    def bring(self, *names: str) -> None:
        """Have ``names`` on the device, and room beside them where the placement keeps nothing else."""
        leaving = set() if self.placement.keeps else self._here - set(names)
        for name in sorted(leaving):
            self._moves[name](HOST)
            self._here.discard(name)
        if leaving and self.device.type == "cuda":
            torch.cuda.empty_cache()
        for name in names:
            if name not in self._here:
                self._moves[name](self.device)
                self._here.add(name)


def transformer_move(transformer: PackedTransformer, placement: Placement, device: torch.device) -> Move:
    """How ``transformer``, which lies on the host, comes to ``device`` under ``placement``, and leaves it."""
    if placement.streamed:
        transformer.stream_to(device)
        return lambda target: None

    def move(target: torch.device) -> None:
        transformer.place(target, constants_on=HOST if placement.drops_ahead else None)

    return move


def choose_placement(checkpoint: Checkpoint, device: torch.device, budget: MemoryBudget) -> Placement:
    """The placement for a model on ``device``: what ``budget`` asks for, else the fastest that fits now.

    Raises:
        FarmError: nothing fits.
    """
    if device.type != "cuda" or weight_bytes(checkpoint) < LARGE:
        return PLACEMENTS[budget.plan or "resident"]
    card, host = free_memory(device) / GB, free_memory() / GB
    footprint = footprint_of(checkpoint)
    return plan_memory(footprint, card, host, preserve=budget.preserve, smallest=budget.plan).placement


def weight_bytes(checkpoint: Checkpoint) -> int:
    """Bytes of all weight files."""
    return sum(part.weight_bytes for part in checkpoint.parts.values())
