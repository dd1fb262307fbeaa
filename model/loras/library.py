"""The LoRAs of this machine: which there are, and which file a request means. No torch.

A request names a LoRA by its file in ``FARM_HOME/loras``.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name
from farm.home import farm_home

from ..choices import Lora
from ..weights import known_sha256
from .pairs import CONFIG, pairs_of


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


def digest(file: Path) -> str:
    """SHA-256 in hex of all that makes a LoRA what it is: its file, and PEFT's configuration beside it."""
    own, beside = known_sha256(file), file.parent / CONFIG
    return hashlib.sha256(f"{own} {known_sha256(beside)}".encode()).hexdigest() if beside.is_file() else own


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
    sha256 = digest(file)
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
    if lora.sha256 and digest(file) != lora.sha256:
        raise CheckpointError(f"LoRA {file} is not the one that the job was accepted with; put that one back.")
    return file
