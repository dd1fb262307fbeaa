"""Weights and LoRAs as one machine gives them to another: which files they are, and where each belongs. No torch.

What is brought lies in ``FARM_HOME/models/<family>`` and ``FARM_HOME/loras``. A *piece* appears there as one: a folder,
or a single file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from farm.errors import CheckpointError, FarmError, InputError

from .checkpoint import FAMILY, WITHOUT_WEIGHTS, Part
from .facts import family_names
from .families import PUPPET, checkpoint
from .located import FILE, locate
from .loras.library import find
from .loras.pairs import CONFIG
from .settings import ModelSettings
from .sources import configuration
from .weights import known_sha256

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BroughtFile:
    """``name``: below its piece, empty for a piece that is one file."""

    name: str
    size: int
    sha256: str


def require_inside(name: str, *roots: str) -> None:
    """Refuse names that would lead out of a folder, or into none of the ``roots`` in it."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if outside or (roots and path.parts[:1] not in [(root,) for root in roots]):
        raise InputError(f"{name!r} is no place for what a head gives.")


@dataclass(frozen=True)
class Piece:
    """``place``: below ``FARM_HOME``; ``part``: which part of its family, "" for the whole, its facts, or a LoRA."""

    place: str
    part: str
    files: tuple[BroughtFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def target(self, home: Path) -> Path:
        """Where it lies on a machine whose ``FARM_HOME`` is ``home``."""
        return home / self.place

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Piece":
        """Raises InputError for what is no piece, and for places and names that none has."""
        try:
            files = tuple(BroughtFile(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in values["files"])
            piece = cls(str(values["place"]), str(values["part"]), files)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{str(values)[:60]!r} is no piece of what a machine gives ({error!r}).") from None
        require_inside(piece.place, "models", "loras")
        for file in files:
            require_inside(file.name)
            if not SHA256.fullmatch(file.sha256):
                raise InputError(f"{file.sha256[:80]!r} is no SHA-256.")
        return piece


@dataclass(frozen=True)
class Given:
    """A piece with the path of each of its files on this machine."""

    piece: Piece
    paths: tuple[Path, ...]


def given_family(name: str, settings: ModelSettings) -> list[Given]:
    """All that another machine needs to use this one's weights of a family.

    Raises:
        FarmError: this machine can't use them itself.
    """
    opened, place = checkpoint(name, settings), f"models/{name}"
    if name == PUPPET.name:
        root = opened.family_file.parent
        return [_given(place, "", root, [file for file in root.rglob("*") if file.is_file()], settings)]
    found = [_given_part(place, part, name, settings) for part in opened.parts.values()]
    if opened.family_file.name == FAMILY:
        found.append(_given(f"{place}/{FAMILY}", "", opened.family_file, [opened.family_file], settings))
    return found


def given_lora(name: str, settings: ModelSettings) -> list[Given]:
    """The file of a LoRA, and PEFT's configuration beside it; InputError when there is none."""
    file = find(name, settings)
    folder = next(folder for folder in settings.lora_folders if file.is_relative_to(folder))
    files = [each for each in (file, file.parent / CONFIG) if each.is_file()]
    return [_given(f"loras/{each.relative_to(folder).as_posix()}", "", each, [each], settings) for each in files]


def lacks(family: str, piece: Piece, settings: ModelSettings) -> bool:
    """Whether this machine lacks a piece; ``family``: that it belongs to, "" for a LoRA.

    Raises:
        CheckpointError: it has something else in its place; nothing is ever overwritten.
    """
    target = piece.target(settings.home)
    if target.exists():
        _require_same(piece, target, settings)
        return False
    if not piece.part:
        _require_free(family, settings)
        return True
    there, brought = locate(family, settings)[piece.part], settings.brought_folder(family)
    if there.path is not None and there.source.path is not None and not there.path.is_relative_to(brought):
        _require_same(piece, there.path, settings)
        return False
    return there.path is None or not _same(piece, there.path, settings)


def _given_part(place: str, part: Part, family: str, settings: ModelSettings) -> Given:
    if part.path.is_file():
        beside = [path for path in (part.path.with_suffix(".json"), part.path.parent / "config.json") if path.is_file()]
        return _given(f"{place}/{part.name}{FILE}", part.name, part.path.parent, [part.path, *beside[:1]], settings)
    if part.name in WITHOUT_WEIGHTS:
        files: Iterable[Path] = part.path.iterdir()
    else:
        files = [*part.files, *part.path.glob("*.json")]
    return _given(f"{place}/{part.name}", part.name, part.path, [file for file in files if file.is_file()], settings)


def _given(place: str, part: str, root: Path, paths: Iterable[Path], settings: ModelSettings) -> Given:
    ordered = tuple(sorted(paths))
    files = tuple(
        BroughtFile(
            "" if path == root else path.relative_to(root).as_posix(), path.stat().st_size, known_sha256(path, settings)
        )
        for path in ordered
    )
    return Given(Piece(place, part, files), ordered)


def _require_free(family: str, settings: ModelSettings) -> None:
    """Refuse a whole family where the machine's owner has set another folder for it, which wins."""
    folder = configuration(family, family_names(), settings).folder if family == PUPPET.name else None
    if folder is not None:
        raise CheckpointError(f"this machine is set to use {folder} for {family}; unset that there.")


def _require_same(piece: Piece, there: Path, settings: ModelSettings) -> None:
    if not _same(piece, there, settings):
        raise CheckpointError(f"there is something else at {there}, which stays as it is; move it away first.")


def _same(piece: Piece, there: Path, settings: ModelSettings) -> bool:
    """Whether the files of a piece are in a folder, or are that file."""
    root = there.parent if there.is_file() and piece.files[0].name else there
    try:
        paths = [(root / file.name if file.name else root, file.sha256) for file in piece.files]
        return all(known_sha256(path, settings) == sha256 for path, sha256 in paths)
    except (FarmError, OSError):
        return False
