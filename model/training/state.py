"""The state that a training goes on from: what is learnt, the optimiser, and the position that decides what comes next.

All randomness is drawn from seed and position, so the position is the state of the random numbers as well.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from farm.errors import InputError, StorageError
from farm.files import written_aside
from model.family import FamilyInfo

from .config import Recipe
from .sections import Example

FREE = {"steps", "save_every", "sample_every", "checkpointing", "memory"}
"""Of ``learning``: what may change between two runs of one training."""


@dataclass(frozen=True)
class Position:
    """``step`` updates are done in ``seconds``; ``loss`` is the mean that is shown."""

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0


def terms(recipe: Recipe, info: FamilyInfo, examples: Sequence[Example]) -> dict[str, str]:
    """All that must stay the same for a training to go on, by the names of a config's tables."""
    shown = [[e.clip.sha256, e.clip.caption, e.clip.bucket, e.section.start, e.clip.repeats] for e in examples]
    values = {
        "family": [info.name, info.checkpoint_sha256, str(info.layout), info.default_order],
        "seed": recipe.seed,
        "data": hashlib.sha256(json.dumps(shown).encode()).hexdigest(),
        "lora": recipe.lora.model_dump(),
        "learning": recipe.learning.model_dump(exclude=FREE),
    }
    return {name: json.dumps(value, sort_keys=True) for name, value in values.items()}


def save_state(
    file: Path,
    learnt: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    position: Position,
    same: Mapping[str, str],
) -> None:
    """Write ``file`` aside and rename it: who is killed meanwhile keeps the one before. StorageError as ``files``."""
    state: dict[str, Any] = {
        "learnt": {name: weight.detach().cpu() for name, weight in learnt.items()},
        "optimizer": optimizer.state_dict(),
        "position": vars(position),
        "terms": dict(same),
    }
    with written_aside(file) as aside:
        torch.save(state, aside)


def load_state(
    file: Path, learnt: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, same: Mapping[str, str]
) -> Position:
    """Bring ``learnt`` and ``optimizer`` to what they were; the position. None there: the beginning.

    Raises:
        InputError: the state was made with other terms; names the table that differs.
        StorageError: it can't be read.
    """
    if not file.is_file():
        return Position()
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise StorageError(f"{file} can't be read ({type(error).__name__}); remove it to begin anew.") from error
    if changed := next((name for name, value in same.items() if state["terms"].get(name) != value), None):
        raise InputError(
            f"{file.parent} holds a training whose {changed} was another; change it back, or choose another --out."
        )
    with torch.no_grad():
        for name, weight in learnt.items():
            weight.copy_(state["learnt"][name])
    optimizer.load_state_dict(state["optimizer"])
    return Position(**state["position"])
