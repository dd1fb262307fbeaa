"""The model families by name: torch-free facts, and loading."""

import os
from dataclasses import dataclass
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name

from .checkpoint import FAMILY, Checkpoint, open_checkpoint
from .family import FamilyInfo, Renderer
from .plan.layout import Layout


@dataclass(frozen=True)
class FamilySource:
    """Where a family's checkpoint lies: ``default``, unless the environment variable ``variable`` names a folder."""

    variable: str
    default: Path

    @property
    def path(self) -> Path:
        return Path(os.environ.get(self.variable) or self.default).expanduser()


FAMILIES = {
    "puppet": FamilySource("FARM_PUPPET_PATH", Path(__file__).parent / "puppet" / "checkpoint"),
}


def describe(name: str) -> FamilyInfo:
    """Facts about the family ``name``. Imports no torch; a checkpoint is verified once until a file of it changes.

    Raises:
        InputError: no family has this name.
        CheckpointError: its checkpoint is missing or broken.
    """
    return _info(name, _checkpoint(name))


def load(name: str, device: str = "cpu", threads: int = 1) -> Renderer:
    """Read the family's checkpoint into memory.

    Args:
        name: of the family.
        device: torch's name of the device, such as ``cpu`` or ``cuda:0``.
        threads: torch threads on the CPU; part of the device class, since results depend on it.

    Raises:
        InputError: no family has this name.
        CheckpointError: its checkpoint is missing, broken or can't be read.
    """
    from .renderer import FramePackRenderer

    checkpoint = _checkpoint(name)
    return FramePackRenderer(_info(name, checkpoint), checkpoint, device, threads)


def _checkpoint(name: str) -> Checkpoint:
    if name not in FAMILIES:
        raise unknown_name("model family", name, list(FAMILIES))
    return open_checkpoint(FAMILIES[name].path)


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
            decode_overlap=max(
                1, int(facts["decode_overlap"])
            ),  # so that a later chunk's first latent gives four frames
            checkpoint_sha256=checkpoint.sha256,
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise CheckpointError(f"checkpoint file {checkpoint.path / FAMILY}: bad or missing field ({error}).") from error
