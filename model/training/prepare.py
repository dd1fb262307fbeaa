"""Everything before the first step: checks that say early what is wrong, and encoding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import model.families as families
from farm.errors import InputError
from model.checkpoint import Checkpoint
from model.family import FamilyInfo
from model.settings import ModelSettings

from .base import check_trainable, plan_of
from .cache import Cache
from .config import PackRecipe, Recipe
from .dataset import Clip, find_clips
from .encoding import Library
from .foundation import foundation
from .memory import TrainingPlan
from .sections import Example, examples_of

Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with (stage, done, in all, metrics)."""


def silent(stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
    """A report to nobody."""


@dataclass(frozen=True)
class Prepared:
    """A training that was checked and whose clips are encoded."""

    recipe: Recipe
    info: FamilyInfo
    checkpoint: Checkpoint
    clips: tuple[Clip, ...]
    examples: tuple[Example, ...]
    library: Library
    plan: TrainingPlan
    settings: ModelSettings


def prepare(
    recipe: Recipe,
    settings: ModelSettings,
    device: str,
    cache: Path | None = None,
    report: Report = silent,
) -> Prepared:
    """Check the model, the memory and every file, then encode what the cache lacks.

    Args:
        recipe: what the config says.
        settings: of this machine.
        device: torch's name of the device.
        cache: where encoded clips are kept; None: in the home, where trainings share them.
        report: hears of every stage.

    Raises:
        InputError, CheckpointError, FarmError: names what has to be corrected, before anything is computed.
        StorageError: the cache can't be written.
    """
    check_trainable(recipe.family, settings)
    checkpoint, info = families.checkpoint(recipe.family, settings), families.describe(recipe.family, settings)
    if missing := next((sample.image for sample in recipe.samples if not sample.image.is_file()), None):
        raise InputError(f"samples: {missing}: no such file; paths in a config are seen from its own folder.")
    if isinstance(recipe, PackRecipe):
        info, checkpoint = foundation(recipe, info, checkpoint, settings)
    folder = cache or settings.home / "cache" / "training"
    notes = folder / "notes"
    clips = find_clips(recipe.data, info, settings, notes, lambda done, count: report("files", done, count, {}))
    examples = [example for clip in clips for example in examples_of(clip, info)]
    plan = plan_of(checkpoint, info, examples, device, recipe)
    library = Library(info, checkpoint, settings, device, Cache(folder))
    library.fill(clips, recipe.samples, lambda stage, done, count: report(stage, done, count, {}))
    return Prepared(recipe, info, checkpoint, tuple(clips), tuple(examples), library, plan, settings)
