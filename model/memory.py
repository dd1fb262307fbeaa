"""Memory plans: what of a model lies where, chosen from the card's and the host's memory. Pure arithmetic, no torch.

Sizes are in GB of 10**9 bytes. A plan is the fastest one whose peak fits; when a section runs out of memory all the
same, the replica goes on with ``next_smaller``. How large a model is stands in its family's facts (docs/memory.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from farm.errors import CheckpointError, FarmError, unknown_name

from .facts import family_facts

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

CUDA_CONTEXT = 0.5
"""What a process holds on a card before it has loaded anything."""
PROCESS = 2.0
"""What a replica's process holds on the host beside weights."""


@dataclass(frozen=True)
class Footprint:
    """How large a model is.

    Attributes:
        hot: parameters of the transformer that every step reads, in billions.
        ahead: its other parameters, whose outputs for all steps are computed ahead of a section, in billions: AdaLN
            modulations, embedders of text and time, token refiner.
        block: parameters of its largest block, in billions.
        text, image, vae: parameters of the text encoders, the image encoder and the codec, in billions.
        outside: what a streamed transformer holds outside of its blocks, in GB.
        activations: working memory of a denoising step, in GB.
        decoding, tile: working memory of decoding a chunk in one piece, and in tiles, in GB.
        stored: bytes of a hot weight in a file whose blocks stay as they are; None: as the placement has it.
    """

    hot: float
    ahead: float
    block: float
    text: float
    image: float
    vae: float
    outside: float
    activations: float
    decoding: float
    tile: float
    stored: float | None = None

    @property
    def transformer(self) -> float:
        """Parameters of the transformer, in billions."""
        return self.hot + self.ahead


def footprint(family: str) -> Footprint:
    """Of a family by its facts, its transformer in 16 bits."""
    return _said(family_facts(family), family)


def footprint_of(checkpoint: "Checkpoint") -> Footprint:
    """Of a large model, with its weights as its files have them.

    Raises:
        CheckpointError: its family does not say how large it is.
    """
    said = _said(checkpoint.family, str(checkpoint.family_file))
    transformer = checkpoint.parts["transformer"]
    return replace(said, stored=transformer.weight_bytes / 1e9 / said.transformer) if transformer.in_blocks else said


def _said(facts: Mapping[str, Any], where: str) -> Footprint:
    if "footprint" not in facts:
        raise CheckpointError(f"{where}: there is no [footprint] that says how much memory so large a model takes.")
    return Footprint(**facts["footprint"])


@dataclass(frozen=True)
class Placement:
    """How a plan holds the transformer and what stays on the card beside it.

    ``weight_bytes``: a transformer weight's size in memory. ``streamed``: blocks are copied to the card one ahead of
    their use. ``drops_ahead``: the weights used ahead of a section don't stay on the card. ``keeps``: encoders and
    codec stay there; without it the card holds one model at a time, and the others wait on the host or are read again.
    """

    name: str
    summary: str
    weight_bytes: int = 2
    streamed: bool = False
    drops_ahead: bool = True
    keeps: bool = False


PLACEMENTS = {
    placement.name: placement
    for placement in (
        Placement("resident", "everything stays on the card", drops_ahead=False, keeps=True),
        Placement(
            "transformer", "the whole transformer; encoders and codec take its place when needed", drops_ahead=False
        ),
        Placement("hot", "the transformer without what is computed ahead, in bf16"),
        Placement("fp8", "the same with weights stored as fp8, computed in bf16: other pixels", weight_bytes=1),
        Placement("streamed", "blocks stream from the host's pinned memory, in bf16", streamed=True),
        Placement("streamed-fp8", "blocks stream, stored as fp8: other pixels", weight_bytes=1, streamed=True),
    )
}
"""From the fastest to the smallest."""


@dataclass(frozen=True)
class Row:
    """A line of a plan's table: a part, where it lies, and what it takes there in GB."""

    part: str
    where: str
    card: float
    host: float


@dataclass(frozen=True)
class MemoryPlan:
    """What lies where. ``card`` and ``host`` are the expected peaks in GB; ``one_piece``: whether decoding without
    tiles, which a request may ask for, fits too; ``text_on_card``: whether the text encoders fit the card alone."""

    placement: Placement
    one_piece: bool
    text_on_card: bool
    rows: tuple[Row, ...]
    card: float
    host: float

    @property
    def name(self) -> str:
        return self.placement.name


@dataclass(frozen=True)
class MemoryBudget:
    """What a replica may take: ``preserve`` GB of its card stay free; ``plan`` names the first placement to try."""

    preserve: float = 1.0
    plan: str | None = None


def plan_memory(
    footprint: Footprint, card: float, host: float, *, preserve: float = 1.0, smallest: str | None = None
) -> MemoryPlan:
    """The fastest plan that fits.

    Args:
        footprint: of the model.
        card: memory of the card that this process may use, in GB.
        host: memory of the host, in GB.
        preserve: GB of the card to keep free for others (``gpu_memory_preservation``).
        smallest: name of the first placement to try; None: the fastest.

    Raises:
        FarmError: nothing fits; says what the smallest plan needs.
        InputError: no placement is called ``smallest``.
    """
    names = list(PLACEMENTS)
    if smallest is not None and smallest not in PLACEMENTS:
        raise unknown_name("memory plan", smallest, names)
    usable = card - preserve
    tried = [PLACEMENTS[name] for name in names[names.index(smallest) if smallest else 0 :]]
    if footprint.stored:  # blocks are not rounded to 8 bits again
        tried = [placement for placement in tried if placement.weight_bytes == 2] or [PLACEMENTS["streamed"]]
    plans = [_plan(footprint, placement, usable) for placement in tried]
    for plan in plans:
        if plan.card <= usable and plan.host <= host:
            return plan
    least_card, least_host = min(plan.card for plan in plans), min(plan.host for plan in plans)
    raise FarmError(
        f"the model does not fit: this card offers {usable:.1f} GB ({preserve:g} GB kept free) and the host "
        f"{host:.1f} GB; the smallest plan needs {least_card:.1f} GB and {least_host:.1f} GB. "
        "Free memory, lower gpu_memory_preservation, or render with the family puppet."
    )


def next_smaller(name: str) -> str | None:
    """The placement to go on with after ``name`` ran out of memory: the next with the same pixels; None: no other."""
    names = list(PLACEMENTS)
    following = (PLACEMENTS[other] for other in names[names.index(name) + 1 :])
    return next((p.name for p in following if p.weight_bytes == PLACEMENTS[name].weight_bytes), None)


def _plan(footprint: Footprint, placement: Placement, usable: float) -> MemoryPlan:
    f, p = footprint, placement
    size = f.stored or p.weight_bytes
    weights, ahead = size * f.hot, 2 * f.ahead
    text, image, vae = 2 * f.text, 2 * f.image, 2 * f.vae
    transformer = 2 * size * f.block + f.outside if p.streamed else weights + (0 if p.drops_ahead else ahead)
    staying = transformer + text + image + vae if p.keeps else 0.0
    alone = CUDA_CONTEXT + staying
    text_on_card = p.keeps or alone + text <= usable
    one_piece = alone + (0 if p.keeps else vae) + f.decoding <= usable
    denoising = CUDA_CONTEXT + (staying or transformer) + f.activations
    encoding = alone + (0 if p.keeps else max(text if text_on_card else 0.0, image + vae))
    decoding = alone + (0 if p.keeps else vae) + f.tile
    waiting = 0.0 if p.keeps else weights + ahead
    rows = (
        Row("transformer", _where(f, p), transformer, waiting - ahead if waiting else 0.0),
        Row("  used ahead of a section", "host" if p.drops_ahead else "card", 0.0, ahead if waiting else 0.0),
        Row(
            "text encoders", _visitor(p.keeps, text_on_card), text if text_on_card else 0.0, 0 if text_on_card else text
        ),
        Row("image encoder, codec", "card" if p.keeps else "card when needed", image + vae, 0.0),
        Row("a denoising step", "card", f.activations, 0.0),
        Row("decoding a chunk", "card, in tiles" + ("; in one piece fits" if one_piece else ""), f.tile, 0.0),
    )
    host = PROCESS + 2 * size * f.block + max(waiting, 0.0 if text_on_card else text)
    return MemoryPlan(p, one_piece, text_on_card, rows, max(denoising, encoding, decoding), host)


def _where(footprint: Footprint, placement: Placement) -> str:
    kind = "blocks of the file" if footprint.stored else {1: "fp8", 2: "bf16"}[placement.weight_bytes]
    return f"host, streamed block by block ({kind})" if placement.streamed else f"card ({kind})"


def _visitor(keeps: bool, on_card: bool) -> str:
    if keeps:
        return "card"
    return "card while encoding" if on_card else "host, streamed while encoding"
