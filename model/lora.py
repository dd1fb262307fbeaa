"""LoRA files: which there are, what their headers tell, and how their weights are named. No torch.

A request names a LoRA by its file in ``FARM_HOME/loras``. Known spellings of the weights: those of diffusers and PEFT,
of the original HunyuanVideo (``double_blocks``, ``single_blocks``) and of trainers (``lora_unet_...``, with alpha).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name
from farm.home import farm_home

from .choices import Lora
from .weights import Entry, known_sha256, read_header

_PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.")
_TRAINERS = "lora_unet_"
_ROLES = {
    ".lora_A.weight": "A",
    ".lora_A.default.weight": "A",
    ".lora_down.weight": "A",
    ".lora.down.weight": "A",
    ".lora_B.weight": "B",
    ".lora_B.default.weight": "B",
    ".lora_up.weight": "B",
    ".lora.up.weight": "B",
    ".alpha": "alpha",
}
_QKV, _ADDED = "attn.to_q attn.to_k attn.to_v", "attn.add_q_proj attn.add_k_proj attn.add_v_proj"
_ORIGINAL = (
    (
        r"double_blocks[._](\d+)[._](.+)",
        "transformer_blocks",
        {
            "img_attn_qkv": _QKV,
            "img_attn_proj": "attn.to_out.0",
            "img_mod.linear": "norm1.linear",
            "img_mlp.fc1": "ff.net.0.proj",
            "img_mlp.fc2": "ff.net.2",
            "txt_attn_qkv": _ADDED,
            "txt_attn_proj": "attn.to_add_out",
            "txt_mod.linear": "norm1_context.linear",
            "txt_mlp.fc1": "ff_context.net.0.proj",
            "txt_mlp.fc2": "ff_context.net.2",
        },
    ),
    (
        r"single_blocks[._](\d+)[._](.+)",
        "single_transformer_blocks",
        {"linear1": f"{_QKV} proj_mlp", "linear2": "proj_out", "modulation.linear": "norm.linear"},
    ),
    (
        r"txt_in[._]individual_token_refiner[._]blocks[._](\d+)[._](.+)",
        "context_embedder.token_refiner.refiner_blocks",
        {
            "self_attn_qkv": _QKV,
            "self_attn_proj": "attn.to_out.0",
            "mlp.fc1": "ff.net.0.proj",
            "mlp.fc2": "ff.net.2",
            "adaLN_modulation.1": "norm_out.linear",
        },
    ),
)


@dataclass(frozen=True)
class Pair:
    """One low-rank change. ``targets``: diffusers' modules that its output is cut into, in order.

    ``down`` [rank, in] and ``up`` [out, rank] are names in the file; ``alpha``, if there, scales by alpha / rank.
    """

    targets: tuple[str, ...]
    down: str
    up: str
    alpha: str | None
    rank: int


def loras_folder() -> Path:
    """Where LoRA files lie."""
    return farm_home() / "loras"


def available() -> dict[str, Path]:
    """Files by name: the path below the folder, without ``.safetensors``."""
    folder = loras_folder()
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob("*.safetensors"))}


def find(name: str) -> Path:
    """The file of the LoRA ``name``, whatever its case.

    Raises:
        InputError: there is none; suggests the nearest.
    """
    files = available()
    wanted = name.strip().removesuffix(".safetensors").casefold()
    for known, file in files.items():
        if known.casefold() == wanted:
            return file
    raise InputError(f"{unknown_name('LoRA', name, list(files))} They are files in {loras_folder()}.")


def resolve(lora: Lora, transformer: Mapping[str, tuple[int, ...]]) -> Lora:
    """``lora`` with its name as the file spells it and its digest, after a look at the file's header.

    Args:
        lora: as asked for; a digest in it must be the file's.
        transformer: names and shapes of the weights that it is for; see ``shapes_of``.

    Raises:
        InputError: there is no such file, it has changed, or it is no LoRA for this transformer.
    """
    file = find(lora.name)
    try:
        pairs_of(file, transformer)
    except CheckpointError as error:
        raise InputError(str(error)) from None
    sha256 = known_sha256(file)
    if lora.sha256 not in ("", sha256):
        raise InputError(f"LoRA {lora.name!r} is not the file that was meant: its SHA-256 is {sha256}.")
    return Lora(next(name for name, path in available().items() if path == file), lora.weight, sha256)


def locate(lora: Lora) -> Path:
    """The file that an accepted request means.

    Raises:
        CheckpointError: it is not on this machine, or another one has its name.
    """
    try:
        file = find(lora.name)
    except InputError as error:
        raise CheckpointError(str(error)) from None
    if lora.sha256 and known_sha256(file) != lora.sha256:
        raise CheckpointError(f"LoRA {file} is not the one that the job was accepted with; put that one back.")
    return file


def shapes_of(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Names, without a prefix, and shapes of the weights of a transformer."""
    shapes = {}
    for header in (read_header(file, "copy or download it again") for file in files):
        for name, entry in header.items():
            module, dot, kind = _without_prefix(name).rpartition(".")
            targets = _targets(module, {}) if len(entry.shape) == 2 else ()
            rows = shares(targets, *entry.shape) if targets else [entry.shape[0]] if entry.shape else []
            for target, count in zip(targets or (module,), rows, strict=False):
                shapes[f"{target}{dot}{kind}"] = (count, *entry.shape[1:])
    return shapes


def shares(targets: Sequence[str], rows: int, width: int) -> list[int]:
    """Rows of each target of one matrix [rows, width]: q, k and v are square, what is left belongs to the last."""
    first = [width] * (len(targets) - 1)
    return [*first, rows - sum(first)]


def pairs_of(file: Path, transformer: Mapping[str, tuple[int, ...]]) -> list[Pair]:
    """What a LoRA file changes in ``transformer``.

    Raises:
        CheckpointError: the file is cut short, holds something else, or does not fit; names the first weight at fault.
    """
    remedy = "it can't be used as a LoRA of this model"
    header = read_header(file, remedy)
    spelled = {name.removesuffix(".weight").replace(".", "_"): name.removesuffix(".weight") for name in transformer}
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for name in header:
        role = next((end for end in _ROLES if name.endswith(end)), None)
        targets = _targets(name.removesuffix(role), spelled) if role else ()
        if not role or not targets:
            raise CheckpointError(f"LoRA {file}: {name!r} is no weight of a LoRA of HunyuanVideo or FramePack.")
        found.setdefault(targets, {})[_ROLES[role]] = name
    if not found:
        raise CheckpointError(f"LoRA {file} is empty.")
    return [_pair(file, targets, names, header, transformer) for targets, names in found.items()]


def _targets(module: str, spelled: Mapping[str, str]) -> tuple[str, ...]:
    """Diffusers' modules for a module in any known spelling; empty when it is none."""
    plain = module.startswith(_TRAINERS)
    short = module.removeprefix(_TRAINERS) if plain else _without_prefix(module)
    for pattern, blocks, names in _ORIGINAL:
        if match := re.fullmatch(pattern, short):
            for name, targets in names.items():
                if match[2] in (name, name.replace(".", "_")):
                    return tuple(f"{blocks}.{match[1]}.{target}" for target in targets.split())
    known = spelled.get(short.replace(".", "_"))
    return (known,) if known is not None and known in (short, spelled.get(short)) else ()


def _pair(
    file: Path,
    targets: tuple[str, ...],
    names: Mapping[str, str],
    header: Mapping[str, Entry],
    transformer: Mapping[str, tuple[int, ...]],
) -> Pair:
    if "A" not in names or "B" not in names:
        raise CheckpointError(f"LoRA {file}: {next(iter(names.values()))!r} lacks its other half.")
    down, up = header[names["A"]].shape, header[names["B"]].shape
    shapes = [transformer.get(f"{target}.weight", ()) for target in targets]
    missing = next((target for target, shape in zip(targets, shapes, strict=True) if len(shape) != 2), None)
    if missing:
        raise CheckpointError(f"LoRA {file}: {names['A']!r} is for {missing!r}, which this model does not have.")
    expected = (sum(shape[0] for shape in shapes), shapes[0][1])
    if len(down) != 2 or len(up) != 2 or down[0] != up[1] or (up[0], down[1]) != expected:
        raise CheckpointError(
            f"LoRA {file}: {names['A']!r} {list(down)} and {names['B']!r} {list(up)} don't make a change of "
            f"{list(expected)}, which {' and '.join(targets)} of this model need; it is for another model."
        )
    return Pair(targets, names["A"], names["B"], names.get("alpha"), down[0])


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
