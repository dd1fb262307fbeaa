"""The model families by name: torch-free facts, and loading."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name
from model.checkpoint import Checkpoint, open_checkpoint
from model.choices import CACHES
from model.decoding import Decoding
from model.facts import BUNDLED, family_facts, family_names, renderer_class
from model.family import FamilyInfo, Renderer
from model.footage.buckets import Bucket
from model.located import open_released
from model.memory import MemoryBudget
from model.plan.layout import Layout
from model.plan.rules import Rules
from model.settings import ModelSettings
from model.sources import configuration


@dataclass(frozen=True)
class BundledFamily:
    """A family whose checkpoint is one whole folder: ``default``, unless the user's configuration names another or the
    farm brought one here."""

    name: str
    default: Path

    def path(self, settings: ModelSettings) -> Path:
        """Where it lies on this machine."""
        brought = settings.brought_folder(self.name)
        chosen = configuration(self.name, family_names(), settings).folder
        return chosen or (brought if brought.is_dir() else self.default)

    def open(self, settings: ModelSettings) -> Checkpoint:
        """Verify it; CheckpointError when it is missing or broken."""
        opened = open_checkpoint(self.path(settings), settings)
        return replace(opened, family={**family_facts(self.name), **opened.family})


@dataclass(frozen=True)
class ReleasedFamily:
    """A family whose parts come from several places: the hub's cache, or what the user's configuration names."""

    name: str

    def open(self, settings: ModelSettings) -> Checkpoint:
        """Verify its parts; CheckpointError when one is missing or broken, InputError for a bad configuration."""
        return open_released(self.name, settings)


PUPPET = BundledFamily(BUNDLED, Path(__file__).parents[1] / "puppet" / "checkpoint")


class _Families(Mapping[str, BundledFamily | ReleasedFamily]):
    """Every family that is known now, by name."""

    def __getitem__(self, name: str) -> BundledFamily | ReleasedFamily:
        if name not in family_names():
            raise KeyError(name)
        return PUPPET if name == PUPPET.name else ReleasedFamily(name)

    def __iter__(self) -> Iterator[str]:
        return iter(family_names())

    def __len__(self) -> int:
        return len(family_names())


FAMILIES = _Families()


def describe(name: str, settings: ModelSettings) -> FamilyInfo:
    """Facts about the family ``name``. Imports no torch; a checkpoint is verified once until a file of it changes.

    Args:
        name: of the family.
        settings: of this machine.

    Raises:
        InputError: no family has this name, or the user's configuration can't be used.
        CheckpointError: its checkpoint is missing or broken.
    """
    return _info(name, checkpoint(name, settings))


def load(
    name: str,
    settings: ModelSettings,
    device: str = "cpu",
    threads: int = 1,
    budget: MemoryBudget = MemoryBudget(),
) -> Renderer:
    """Read the family's checkpoint into memory.

    Args:
        name: of the family.
        settings: of this machine.
        device: torch's name of the device, such as ``cpu`` or ``cuda:0``.
        threads: torch threads on the CPU; part of the device class, since results depend on it.
        budget: memory that it may take.

    Raises:
        InputError: no family has this name, or the kernels that were chosen don't run on the device.
        CheckpointError: its checkpoint is missing, broken or can't be read.
        FarmError: it does not fit the device.
    """
    from model.device import open_device
    from model.placement import choose_placement

    opened = checkpoint(name, settings)
    placement = choose_placement(opened, open_device(device), budget)
    made: Renderer = renderer_class(name)(_info(name, opened), opened, settings, device, threads, placement)
    return made


def checkpoint(name: str, settings: ModelSettings) -> Checkpoint:
    """The verified checkpoint of the family ``name``; takes and raises what ``describe`` does."""
    if name not in FAMILIES:
        raise unknown_name("model family", name, list(FAMILIES))
    return FAMILIES[name].open(settings)


def _info(name: str, checkpoint: Checkpoint) -> FamilyInfo:
    facts = checkpoint.family
    try:
        rules = Rules.of(facts)
        info = FamilyInfo(
            name=name,
            title=str(facts["title"]),
            layout=_usable(Layout.parse(facts["layout"])),
            orders=tuple(facts["orders"]),
            default_order=str(facts["default_order"]),
            fps=int(facts["fps"]),
            max_seconds=float(facts["max_seconds"]),
            buckets=_whole(facts["buckets"], int(facts.get("bucket_unit", 1))),
            latent_channels=int(facts["latent_channels"]),
            decoding=Decoding(
                before=int(facts.get("decode_overlap", 0)),
                after=int(facts.get("decode_after", 0)),
                blend=bool(facts.get("decode_blend", False)),
                tile_above=int(facts.get("tile_above", 0)),
                alone=rules.sections_alone,
            ),
            checkpoint_sha256=checkpoint.sha256,
            cache=_recommended(facts.get("cache", "none")),
            teacache_polynomial=tuple(float(value) for value in facts.get("teacache_polynomial", (1.0, 0.0))),
            magcache_ratios=tuple(float(value) for value in facts.get("magcache_ratios", ())),
            origins={part: opened.origin for part, opened in checkpoint.parts.items()},
            resolutions=tuple(map(int, facts.get("resolutions", ()))),
            text_to_video=bool(facts.get("text_to_video", False)),
            token_seconds=float(facts["token_seconds"]),
            drawn=bool(facts.get("drawn", False)),
            rules=rules,
            defaults=dict(facts.get("defaults", {})),
            without=tuple(map(str, facts.get("without", ()))),
            caches=tuple(map(str, facts.get("caches", ()))),
            samplers=tuple(map(str, facts.get("samplers", ()))),
            unguided=bool(facts.get("unguided", False)),
            latent_pixels=int(facts.get("latent_pixels", 8)),
            same_latents=bool(facts.get("same_latents", False)),
        )
        for resolution in info.resolutions if info.same_latents else ():
            if info.latent_pixels * resolution % info.resolution:
                raise InputError(f"resolutions: {resolution} is no whole number of pixels for each latent")
        return info
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise CheckpointError(f"checkpoint file {checkpoint.family_file}: bad or missing field ({error}).") from error


def _whole(buckets: Sequence[Sequence[int]], unit: int) -> tuple[Bucket, ...]:
    """Sizes in pixels, which must be multiples of ``unit``; InputError otherwise."""
    found = tuple((int(height), int(width)) for height, width in buckets)
    for bucket in found:
        if any(side % unit for side in bucket):
            raise InputError(f"bucket {bucket[0]}x{bucket[1]}: its sides must be multiples of {unit}")
    return found


def _usable(layout: Layout) -> Layout:
    if layout.discretised:
        raise InputError(f"layout {layout}: history that is discretised (+D) is not offered")
    return layout


def _recommended(cache: str) -> str:
    """A family's own cache, for which ``auto`` would mean itself."""
    known = [name for name in CACHES if name != "auto"]
    if cache not in known:
        raise unknown_name("cache", str(cache), known)
    return cache
