"""What a LoRA file changes in a transformer, from its header alone. No torch."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import CheckpointError

from ..original import is_swapped, original_targets, shares
from ..weights import Entry, read_header, read_json, read_metadata
from .spellings import (
    Named,
    is_of_text,
    other_kind,
    read_name,
    targets_of,
    without_prefix,
)

CONFIG = "adapter_config.json"
"""What PEFT writes beside a file: how strongly it acts."""
REMEDY = "it can't be used as a LoRA of this model"
_METADATA = "lora_adapter_metadata"
"""Where diffusers writes the same in the file's header, a key for each value and model."""
_PART = "transformer."


@dataclass(frozen=True)
class Pair:
    """One low-rank change. ``targets``: diffusers' modules that its output is cut into, in order.

    ``down`` [rank, in] and ``up`` [out, rank] are names in the file; ``alpha``, if there, scales by alpha / rank, and
    ``scale`` does where it is not; ``swapped``: the halves of ``up`` stand the other way round in diffusers' model.
    """

    targets: tuple[str, ...]
    down: str
    up: str
    alpha: str | None
    rank: int
    scale: float = 1.0
    swapped: bool = False


@dataclass(frozen=True)
class Strength:
    """How strongly a LoRA acts, by PEFT's rules. ``patterns``: with alphas of modules whose whole names match."""

    alpha: float
    patterns: Sequence[tuple[re.Pattern[str], float]]
    rank_stabilised: bool = False

    def scale(self, module: str, rank: int) -> float:
        """Of a module, by its name in the file without a prefix."""
        found = (alpha for pattern, alpha in self.patterns if pattern.fullmatch(module))
        return next(found, self.alpha) / (math.sqrt(rank) if self.rank_stabilised else rank)


def shapes_of(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Names, without a prefix, and shapes of the weights of a transformer."""
    shapes = {}
    for header in (read_header(file, "copy or download it again") for file in files):
        for name, entry in header.items():
            module, dot, kind = without_prefix(name).rpartition(".")
            targets = original_targets(module) if len(entry.shape) == 2 else ()
            rows = shares(targets, *entry.shape) if targets else [entry.shape[0]] if entry.shape else []
            for target, count in zip(targets or (module,), rows, strict=False):
                shapes[f"{target}{dot}{kind}"] = (count, *entry.shape[1:])
    return shapes


def text_names(file: Path) -> list[str]:
    """Weights in a LoRA file that change a text encoder; they are not used."""
    return [name for name in read_header(file, REMEDY) if is_of_text(name)]


def pairs_of(file: Path, transformer: Mapping[str, tuple[int, ...]]) -> list[Pair]:
    """What a LoRA file changes in ``transformer``; text encoders' parts in it are left out.

    Raises:
        CheckpointError: the file is cut short, holds something else, or does not fit; names the first weight at fault.
    """
    header = read_header(file, REMEDY)
    names = [name for name in header if not is_of_text(name)]
    if not names:
        raise CheckpointError(f"LoRA {file} {'changes text encoders only' if header else 'is empty'}; {REMEDY}.")
    modules = {name.rpartition(".")[0] for name in transformer}
    spelled = {module.replace(".", "_"): module for module in modules}
    understood = {name: read_name(name) for name in names}
    adapters = sorted({named.adapter for named in understood.values() if named and named.adapter})
    if len(adapters) > 1:
        raise CheckpointError(f"LoRA {file} holds several: {', '.join(adapters)}. Save each to its own file.")
    found: dict[tuple[str, ...], dict[str, Named]] = {}
    for name, named in understood.items():
        targets = targets_of(named.module, spelled) if named else ()
        if named is None or not targets:
            raise _unknown(file, name)
        if found.setdefault(targets, {}).setdefault(named.role, named) is not named:
            raise CheckpointError(f"LoRA {file}: {name!r} stands there twice, in two spellings; {REMEDY}.")
    strength = strength_of(file)
    pairs = [_pair(file, targets, roles, header, transformer, strength) for targets, roles in found.items()]
    changed = [target for pair in pairs for target in pair.targets]
    if twice := next((target for target in changed if changed.count(target) > 1), None):
        raise CheckpointError(f"LoRA {file} changes {twice!r} twice, in two spellings; {REMEDY}.")
    return pairs


def strength_of(file: Path) -> Strength | None:
    """What the file's header, or else the ``adapter_config.json`` beside it, says; None when neither says anything.

    Raises:
        CheckpointError: it can't be read, or belongs to another kind of change.
    """
    told, where = read_metadata(file, REMEDY).get(_METADATA), f"LoRA {file}: {_METADATA} in its header"
    beside = file.parent / CONFIG
    values: Mapping[str, Any] = {}
    if told is not None:
        try:
            values = json.loads(told)
            values = {name.removeprefix(_PART): value for name, value in values.items()}
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{where} can't be read ({error}); {REMEDY}.") from None
    elif beside.is_file():
        values, where = read_json(beside, REMEDY), f"LoRA {file}: {CONFIG} beside it"
    if values.get("use_dora"):
        raise CheckpointError(f"{where} says that it is a DoRA; {REMEDY}.")
    if values.get("lora_alpha") is None:
        return None
    try:
        alphas = values.get("alpha_pattern") or {}
        patterns = [(re.compile(rf"(.*\.)?({name})"), float(alpha)) for name, alpha in alphas.items()]
        return Strength(float(values["lora_alpha"]), patterns, bool(values.get("use_rslora")))
    except (TypeError, ValueError, AttributeError, re.error) as error:
        raise CheckpointError(f"{where} can't be read ({error}); {REMEDY}.") from None


def _unknown(file: Path, name: str) -> CheckpointError:
    if kind := other_kind(name):
        return CheckpointError(f"LoRA {file}: {name!r} makes it {kind}, a kind that can't be used. Plain LoRAs can.")
    return CheckpointError(f"LoRA {file}: {name!r} is no weight of a LoRA of a model that is known here.")


def _pair(
    file: Path,
    targets: tuple[str, ...],
    named: Mapping[str, Named],
    header: Mapping[str, Entry],
    transformer: Mapping[str, tuple[int, ...]],
    strength: Strength | None,
) -> Pair:
    names = {role: each.name for role, each in named.items()}
    if "A" not in names or "B" not in names:
        raise CheckpointError(f"LoRA {file}: {next(iter(names.values()))!r} lacks its other half.")
    down, up = header[names["A"]].shape, header[names["B"]].shape
    shapes = [transformer.get(f"{target}.weight", ()) for target in targets]
    for target, shape in zip(targets, shapes, strict=True):
        if not shape:
            raise CheckpointError(f"LoRA {file}: {names['A']!r} is for {target!r}, which this model does not have.")
        if len(shape) != 2:
            raise CheckpointError(f"LoRA {file}: {names['A']!r} changes {target!r}, no linear layer; {REMEDY}.")
    expected = (sum(shape[0] for shape in shapes), shapes[0][1])
    if len(down) != 2 or len(up) != 2 or down[0] != up[1] or not down[0] or (up[0], down[1]) != expected:
        raise CheckpointError(
            f"LoRA {file}: {names['A']!r} {list(down)} and {names['B']!r} {list(up)} don't make a change of "
            f"{list(expected)}, which {' and '.join(targets)} of this model need; it is for another model."
        )
    module = named["A"].module
    scale = strength.scale(module, down[0]) if strength else 1.0
    return Pair(targets, names["A"], names["B"], names.get("alpha"), down[0], scale, is_swapped(module))
