"""Many jobs from one wish: each picture, prompt, seed and value of a sweep with each other."""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.errors import InputError, unknown_name
from farm.texts import json_or_text

from .order import MAX_BATCH, MAX_NAME
from .request import RANDOM_SEEDS
from .submission import Submission

NOT_SWEPT = frozenset({"image_sha256", "end_image_sha256", "video_sha256", "keyframes", "owner", "name", "batch"})


@dataclass(frozen=True)
class Variation:
    """One job of a batch. ``fields``: of its request, its name among them; ``image``: number of its picture, None for
    none; ``label``: what it has that others of the batch have not, empty when there is but one job."""

    fields: Mapping[str, Any]
    image: int | None
    label: str


@dataclass(frozen=True)
class Batch:
    """What is varied. ``images``: names of pictures; ``prompts``: in place of the fields' own; ``seeds``: how many to
    draw, for each of the others the same ones; ``sweeps``: values of fields."""

    images: Sequence[str] = ()
    prompts: Sequence[str] = ()
    seeds: int = 1
    sweeps: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many jobs there will be."""
        sizes = (max(1, len(self.images)), max(1, len(self.prompts)), self.seeds, *map(len, self.sweeps.values()))
        total = 1
        for size in sizes:
            total *= size
        return total


def variations(fields: Mapping[str, Any], batch: Batch) -> list[Variation]:
    """The jobs, in the order in which they should be queued: pictures first, then prompts, sweeps and seeds.

    Raises:
        InputError: there are none or too many, or a field can't be varied.
    """
    for name, values in batch.sweeps.items():
        if name not in Submission.model_fields or name in NOT_SWEPT:
            raise unknown_name("field to sweep", name, sorted(set(Submission.model_fields) - NOT_SWEPT))
        if not values:
            raise InputError(f"the sweep of {name} has no values; give some, such as steps=10,25.")
    if not 1 <= batch.seeds <= MAX_BATCH:
        raise InputError(f"{batch.seeds} seeds; expected 1 to {MAX_BATCH}.")
    if batch.size > MAX_BATCH:
        raise InputError(f"that makes {batch.size} jobs; a batch has at most {MAX_BATCH}.")
    images: list[list[tuple[str, Any]]] = [[("image", index)] for index in range(len(batch.images))] or [[]]
    prompts: list[list[tuple[str, Any]]] = [[("prompt", prompt)] for prompt in batch.prompts] or [[]]
    swept = [[[(name, value)] for value in values] for name, values in batch.sweeps.items()]
    drawn = [[("seed", secrets.randbelow(RANDOM_SEEDS))] for _ in range(batch.seeds)] if batch.seeds > 1 else [[]]
    found = []
    for parts in itertools.product(images, prompts, *swept, drawn):
        pairs = [pair for part in parts for pair in part]
        image = next((value for name, value in pairs if name == "image"), None)
        changed = {name: value for name, value in pairs if name != "image"}
        label = _label(pairs, batch)
        named = {"name": f"{fields.get('name') or ''} {label}".strip()[:MAX_NAME]} if label else {}
        found.append(Variation({**fields, **changed, **named}, image, label))
    return found


def new_batch() -> str:
    """A name for a batch that nobody has named."""
    return f"batch-{secrets.token_hex(3)}"


def _label(pairs: Sequence[tuple[str, Any]], batch: Batch) -> str:
    """Only of what there are several of."""
    words = []
    for name, value in pairs:
        if name == "image":
            words += [batch.images[value]] if len(batch.images) > 1 else []
        elif name == "prompt":
            words += [str(value)[:24].strip()] if len(batch.prompts) > 1 else []
        elif name == "seed" or len(batch.sweeps[name]) > 1:
            words.append(f"{name} {value}")
    return ", ".join(words)


def read_sweeps(pairs: Sequence[str]) -> dict[str, list[Any]]:
    """``FIELD=A,B``: values that read as JSON are taken as such, others as text; InputError when it is none."""
    found: dict[str, list[Any]] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        words = [word.strip() for word in values.split(",") if word.strip()]
        if not equals or not name or not words:
            raise InputError(f"a sweep is FIELD=A,B,..., such as steps=10,25, not {pair!r}.")
        found[name.strip()] = [json_or_text(word) for word in words]
    return found
