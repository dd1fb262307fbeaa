"""``farm train``: from what was prepared to a file or a checkpoint, resumable at any step that was saved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from farm.errors import ConflictError, FarmError
from farm.locks import try_lock

from .config import PackRecipe, Recipe
from .packed import PackTrainer
from .prepare import Prepared, Report, silent
from .trainer import LoraTrainer


def train(
    prepared: Prepared,
    folder: Path,
    device: str,
    *,
    threads: int = 1,
    report: Report = silent,
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Train, or go on with a training, in ``folder``; the newest LoRA file, or the checkpoint of ``farm train pack``.

    Args:
        prepared: by ``prepare``, on the same device.
        folder: for states, LoRAs and samples; made if it is not there.
        device: torch's name of the device.
        threads: torch threads on the CPU.
        report: hears of every step.
        stopped: asked after each step; when it says so, the state is saved and this returns.

    Raises:
        ConflictError: another process trains in ``folder``.
        InputError: ``folder`` holds another training.
        FarmError: the model does not fit, or gives what are no numbers.
    """
    with _alone(folder), _in_memory():
        report("model", 0, 1, {})
        trainer = _trainer_class(prepared.recipe)(prepared, folder, device, threads)
        report("model", 1, 1, {})
        learning = prepared.recipe.learning
        if not trainer.position.step:
            _sample(trainer, report)
        while trainer.position.step < learning.steps:
            trainer.step()
            done = trainer.position.step
            report("learning", done, learning.steps, {"loss": trainer.position.loss})
            last = done == learning.steps or stopped()
            if done % learning.save_every == 0 or last:
                file = trainer.save()
            if learning.sample_every and (done % learning.sample_every == 0 or done == learning.steps):
                _sample(trainer, report)
            if last:
                return file
        return trainer.save()


def _trainer_class(recipe: Recipe) -> type[LoraTrainer]:
    return PackTrainer if isinstance(recipe, PackRecipe) else LoraTrainer


def _sample(trainer: LoraTrainer, report: Report) -> None:
    count = len(trainer.prepared.recipe.samples) if trainer.learning.sample_every else 0
    for done, _ in enumerate(trainer.samples() if count else (), start=1):
        report("samples", done, count, {})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """ConflictError while another process trains in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as file:
        if not try_lock(file):
            raise ConflictError(f"another process trains in {folder}; wait for it, or choose another --out.")
        yield


@contextmanager
def _in_memory() -> Iterator[None]:
    """Says what to do when the card's memory does not suffice."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        reason: Any = str(error).splitlines()[0]
        raise FarmError(
            f"the card's memory does not suffice ({reason}). Set memory = 'streamed' or 'streamed-fp8' in [learning], "
            "or a lower resolution in [[data]]; the training goes on from its last state."
        ) from None
