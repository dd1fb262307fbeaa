"""The LoRAs of this machine: which there are, and which file a request means. No torch.

A request names a LoRA by its file in ``FARM_HOME/loras`` or a folder of ``FARM_LORA_DIRS``. Folders are read at each
question, so a file can be used as soon as it is there.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from farm.errors import CheckpointError, InputError, unknown_name

from ..choices import Lora
from ..settings import ModelSettings
from ..weights import known_sha256
from .pairs import CONFIG, pairs_of

SUFFIX = ".safetensors"


def available(settings: ModelSettings) -> dict[str, Path]:
    """Files by name: the path below their folder, without ``.safetensors``.

    Args:
        settings: of this machine.
    """
    found: dict[str, Path] = {}
    spelled: set[str] = set()
    for folder in settings.lora_folders:
        for name, file in _inside(folder):
            if name.casefold() not in spelled:
                found[name] = file
                spelled.add(name.casefold())
    return dict(sorted(found.items()))


def find(name: str, settings: ModelSettings) -> Path:
    """The file of the LoRA ``name``, whatever its case.

    Raises:
        InputError: there is none; suggests the nearest.
    """
    files = available(settings)
    wanted = name.strip().removesuffix(SUFFIX).casefold()
    for known, file in files.items():
        if known.casefold() == wanted:
            return file
    folders = " and ".join(map(str, settings.lora_folders))
    raise InputError(f"{unknown_name('LoRA', name, list(files))} They are files in {folders}.")


def digest(file: Path, settings: ModelSettings) -> str:
    """SHA-256 in hex of all that makes a LoRA what it is: its file, and PEFT's configuration beside it."""
    own, beside = known_sha256(file, settings), file.parent / CONFIG
    if not beside.is_file():
        return own
    return hashlib.sha256(f"{own} {known_sha256(beside, settings)}".encode()).hexdigest()


def resolve(lora: Lora, transformer: Mapping[str, tuple[int, ...]], settings: ModelSettings) -> Lora:
    """``lora`` with its name as the file spells it and its digest, after a look at the file's header.

    Args:
        lora: as asked for; a digest in it must be the file's.
        transformer: names and shapes of the weights that it is for; see ``shapes_of``.
        settings: of this machine.

    Raises:
        InputError: there is no such file, it has changed, or it is no LoRA for this transformer.
    """
    file = find(lora.name, settings)
    try:
        pairs_of(file, transformer)
    except CheckpointError as error:
        raise InputError(str(error)) from None
    sha256 = digest(file, settings)
    if lora.sha256 not in ("", sha256):
        raise InputError(f"LoRA {lora.name!r} is not the file that was meant: its SHA-256 is {sha256}.")
    return Lora(next(name for name, path in available(settings).items() if path == file), lora.weight, sha256)


def locate(lora: Lora, settings: ModelSettings) -> Path:
    """The file that an accepted request means.

    Raises:
        CheckpointError: it is not on this machine, or another one has its name.
    """
    try:
        file = find(lora.name, settings)
    except InputError as error:
        raise CheckpointError(str(error)) from None
    if lora.sha256 and digest(file, settings) != lora.sha256:
        raise CheckpointError(f"LoRA {file} is not the one that the job was accepted with; put that one back.")
    return file


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names and files of a folder and those in it; none of one that is not there, as a disk that is away."""
    for file in sorted(folder.rglob(f"*{SUFFIX}")):
        yield file.relative_to(folder).with_suffix("").as_posix(), file
