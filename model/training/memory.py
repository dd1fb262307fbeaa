"""Memory plans of a training: which weights lie on the card while it learns. Pure arithmetic, no torch.

Every step reads all weights, those too that a render uses once a section. What autograd keeps comes on top: with
checkpointing each block's input and, for one block at a time, all that its backward pass needs. Both were counted on
the released blocks: 25 values of the model's width for each token and block. Sizes are in GB of 10**9 bytes.
"""

from dataclasses import dataclass

from farm.errors import FarmError, InputError, unknown_name
from model.memory import CUDA_CONTEXT, PROCESS, Footprint

KEPT = 25
"""Values of the model's width that a block keeps for its backward pass, for each token."""
BACKWARD = 11
"""The same, of gradients that are under way in one block."""
CHANGED = 27
"""Values of the model's width that a LoRA of rank 1 has in a block of the released kinds, on average."""
OUTSIDE = 2
"""Embedders that a render needs once a section lie outside of the blocks too; they are as much again as the others."""
LEARNT_BYTES = 16
"""Of each value that is learnt: itself, its gradient and AdamW's two averages, in fp32."""

MEMORY = {
    "auto": "the first of these that fits",
    "resident": "all weights on the card, as they are",
    "streamed": "as many blocks as need be wait on the host and come to the card ahead of their turn",
    "fp8": "all on the card; attention and feed-forward as 8-bit floats",
    "streamed-fp8": "both",
}
"""What ``memory`` takes. Blocks that come and go cost a card little time, as its work on them takes longer than their
way; so they go before 8 bits, which the base then learns around."""


@dataclass(frozen=True)
class Shape:
    """Of a transformer: its ``blocks`` and ``width``, ``tokens`` of the largest section, ``rank`` of the LoRA."""

    blocks: int
    width: int
    tokens: int
    rank: int

    @property
    def learning(self) -> float:
        """What the LoRA and its optimiser take, in GB."""
        return LEARNT_BYTES * CHANGED * self.width * self.rank * self.blocks / 1e9


@dataclass(frozen=True)
class TrainingPlan:
    """``name`` of ``MEMORY``; ``swapped`` blocks wait on the host; ``card`` and ``host``: expected peaks in GB."""

    name: str
    swapped: int
    card: float = 0.0
    host: float = 0.0

    @property
    def fp8(self) -> bool:
        return self.name.endswith("fp8")

    def __str__(self) -> str:
        blocks = f", {self.swapped} blocks on the host" if self.swapped else ""
        size = f", about {self.card:.1f} GB on the card" if self.card else ""
        return f"{self.name}{blocks}{size}"


def small_plan(name: str, blocks: int) -> TrainingPlan:
    """Of a model that fits anywhere: ``streamed`` has all its blocks wait."""
    _check(name)
    chosen = "resident" if name == "auto" else name
    return TrainingPlan(chosen, blocks if chosen.startswith("streamed") else 0)


def plan_training(
    footprint: Footprint,
    shape: Shape,
    card: float,
    host: float,
    *,
    name: str = "auto",
    checkpointing: bool = True,
    preserve: float = 1.0,
) -> TrainingPlan:
    """The plan ``name``, or the first that fits.

    Args:
        footprint: of the model.
        shape: of the model and its largest section.
        card, host: free memory of both, in GB.
        name: of ``MEMORY``.
        checkpointing: whether activations are worked out again in the backward pass.
        preserve: GB of the card to keep free for others.

    Raises:
        InputError: there is no such plan.
        FarmError: nothing fits; says what the smallest plan needs.
    """
    _check(name)
    names = [each for each in MEMORY if each != "auto"] if name == "auto" else [name]
    if footprint.stored:  # blocks of a file are not rounded to 8 bits again
        names = [each for each in names if "fp8" not in each]
    plans = [_plan(footprint, shape, each, card - preserve, checkpointing) for each in names]
    for plan in plans:
        if plan.card <= card - preserve and plan.host <= host:
            return plan
    if not plans:
        raise InputError(f"memory {name!r}: a GGUF file's blocks stay as they are; choose resident or streamed.")
    least = min(plans, key=lambda plan: plan.card)
    remedy = "a lower resolution" if checkpointing else "checkpointing = true"
    raise FarmError(
        f"training does not fit: this card offers {card - preserve:.1f} GB and the host {host:.1f} GB; the smallest "
        f"plan needs {least.card:.1f} GB and {least.host:.1f} GB. Try {remedy}, or free memory."
    )


def working_memory(shape: Shape, checkpointing: bool) -> float:
    """What autograd keeps at the largest, in GB."""
    values = shape.blocks + KEPT if checkpointing else KEPT * shape.blocks
    return 2 * shape.tokens * shape.width * (values + BACKWARD) / 1e9


def _plan(footprint: Footprint, shape: Shape, name: str, usable: float, checkpointing: bool) -> TrainingPlan:
    size = 1.0 if name.endswith("fp8") else footprint.stored or 2.0
    whole = size * footprint.hot + 2 * footprint.ahead
    each = (whole - OUTSIDE * footprint.outside) / shape.blocks
    largest = 2 * footprint.block * whole / (2 * footprint.transformer)
    fixed = CUDA_CONTEXT + shape.learning + working_memory(shape, checkpointing)
    swapped = 0
    if name.startswith("streamed"):
        over = fixed + whole + 2 * largest - usable  # two of them on the card: at work, and on its way
        swapped = min(shape.blocks, max(1, -int(-over // each)))
    staying = whole - swapped * each + (2 * largest if swapped else 0)
    return TrainingPlan(name, swapped, fixed + staying, PROCESS + (swapped * each if swapped else largest))


def _check(name: str) -> None:
    if name not in MEMORY:
        raise unknown_name("memory plan", name, list(MEMORY))
