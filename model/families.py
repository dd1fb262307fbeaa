"""The model families by name: torch-free facts, and loading."""

from dataclasses import dataclass
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name

from .checkpoint import Checkpoint, open_checkpoint
from .choices import CACHES
from .decoding import Decoding
from .family import FamilyInfo, Renderer
from .located import open_released
from .memory import MemoryBudget
from .plan.layout import Layout
from .released import NAMES
from .sources import configuration


@dataclass(frozen=True)
class BundledFamily:
    """A family whose checkpoint is one whole folder: ``default``, unless the user's configuration names another."""

    name: str
    default: Path
    token_seconds: float = 1.2e-4

    @property
    def path(self) -> Path:
        return configuration(self.name, tuple(FAMILIES)).folder or self.default

    def open(self) -> Checkpoint:
        """Verify it; CheckpointError when it is missing or broken."""
        return open_checkpoint(self.path)


@dataclass(frozen=True)
class ReleasedFamily:
    """A family whose parts come from several places: the hub's cache, or what the user's configuration names."""

    name: str
    token_seconds: float = 1e-4

    def open(self) -> Checkpoint:
        """Verify its parts; CheckpointError when one is missing or broken, InputError for a bad configuration."""
        return open_released(self.name)


PUPPET = BundledFamily("puppet", Path(__file__).parent / "puppet" / "checkpoint")
FAMILIES: dict[str, BundledFamily | ReleasedFamily] = {
    "puppet": PUPPET,
    **{name: ReleasedFamily(name) for name in NAMES},
}


def describe(name: str) -> FamilyInfo:
    """Facts about the family ``name``. Imports no torch; a checkpoint is verified once until a file of it changes.

    Raises:
        InputError: no family has this name, or the user's configuration can't be used.
        CheckpointError: its checkpoint is missing or broken.
    """
    return _info(name, checkpoint(name))


def load(name: str, device: str = "cpu", threads: int = 1, budget: MemoryBudget = MemoryBudget()) -> Renderer:
    """Read the family's checkpoint into memory.

    Args:
        name: of the family.
        device: torch's name of the device, such as ``cpu`` or ``cuda:0``.
        threads: torch threads on the CPU; part of the device class, since results depend on it.
        budget: memory that it may take.

    Raises:
        InputError: no family has this name.
        CheckpointError: its checkpoint is missing, broken or can't be read.
        FarmError: it does not fit the device.
    """
    from .device import open_device
    from .placement import choose_placement
    from .renderer import FramePackRenderer

    opened = checkpoint(name)
    placement = choose_placement(opened, open_device(device), budget)
    return FramePackRenderer(_info(name, opened), opened, device, threads, placement)


def checkpoint(name: str) -> Checkpoint:
    """The verified checkpoint of the family ``name``; raises what ``describe`` does."""
    if name not in FAMILIES:
        raise unknown_name("model family", name, list(FAMILIES))
    return FAMILIES[name].open()


def _info(name: str, checkpoint: Checkpoint) -> FamilyInfo:
    facts = checkpoint.family
    try:
        return FamilyInfo(
            name=name,
            title=str(facts["title"]),
            layout=Layout.parse(facts["layout"]),
            orders=tuple(facts["orders"]),
            default_order=str(facts["default_order"]),
            fps=int(facts["fps"]),
            max_seconds=float(facts["max_seconds"]),
            buckets=tuple((int(height), int(width)) for height, width in facts["buckets"]),
            latent_channels=int(facts["latent_channels"]),
            decoding=Decoding(
                before=int(facts["decode_overlap"]),
                after=int(facts.get("decode_after", 0)),
                blend=bool(facts.get("decode_blend", False)),
                tile_above=int(facts.get("tile_above", 0)),
            ),
            checkpoint_sha256=checkpoint.sha256,
            cache=_recommended(facts.get("cache", "none")),
            teacache_polynomial=tuple(float(value) for value in facts.get("teacache_polynomial", (1.0, 0.0))),
            magcache_ratios=tuple(float(value) for value in facts.get("magcache_ratios", ())),
            origins={part: opened.origin for part, opened in checkpoint.parts.items()},
            resolutions=tuple(map(int, facts.get("resolutions", ()))),
            text_to_video=bool(facts.get("text_to_video", False)),
            token_seconds=FAMILIES[name].token_seconds,
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise CheckpointError(f"checkpoint file {checkpoint.family_file}: bad or missing field ({error}).") from error


def _recommended(cache: str) -> str:
    """A family's own cache, for which ``auto`` would mean itself."""
    known = [name for name in CACHES if name != "auto"]
    if cache not in known:
        raise unknown_name("cache", str(cache), known)
    return cache
