"""How weights and LoRAs that have arrived come to their places: whole, and over nothing; and whether there is room."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from farm.errors import StorageError
from farm.settings import Settings
from model.brought import BroughtFile, Piece
from model.weights import note_sha256

GB = 10**9
ROOM = 1 * GB
"""Bytes of the disk that are left to others."""


def still_to_come(missing: Iterable[Piece], places: Callable[[BroughtFile], Iterable[Path]]) -> int:
    """Bytes of the pieces that have not arrived. ``places``: where a file may be, whole or in part."""
    return sum(file.size - max(map(_size, places(file)), default=0) for piece in missing for file in piece.files)


def require_room(settings: Settings, wanted: int, room: int) -> None:
    """StorageError when the disk has none for so many bytes that are to come, and ``room`` bytes besides."""
    free = shutil.disk_usage(settings.home).free
    if wanted + room > free:
        raise StorageError(
            f"{wanted / GB:.1f} GB are to come, and {settings.home} has {free / GB:.1f} GB free, "
            f"of which {room / GB:.0f} GB stay; make room, or set FARM_HOME to a larger disk."
        )


def settle(settings: Settings, piece: Piece, coming: Path) -> None:
    """Move a piece whose files are all there to its place, at once. They were checked when they came, and aren't read
    again for their hashes, which would take minutes.

    Raises:
        StorageError: something appeared there in between.
    """
    target = piece.target(settings.home)
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(piece.files) == 1 and not piece.files[0].name:
        try:
            os.link(coming / piece.files[0].sha256, target)
        except FileExistsError:
            raise StorageError(f"there is something else at {target} by now, which stays as it is.") from None
        note_sha256({target: piece.files[0].sha256}, settings.model)
        return
    folder = coming / "piece"
    shutil.rmtree(folder, ignore_errors=True)
    for file in piece.files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(coming / file.sha256, path)
    try:
        folder.rename(target)
    except OSError as error:
        raise StorageError(f"can't put {target} in its place: {error.strerror}.") from error
    note_sha256({target / file.name: file.sha256 for file in piece.files}, settings.model)


def _size(path: Path) -> int:
    """Bytes of a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
