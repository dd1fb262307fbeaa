"""Where weights and LoRAs arrive on a machine, and how they come to their places: whole, and over nothing."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from farm.errors import StorageError
from farm.jobs.assets import Asset
from farm.settings import Settings
from model.brought import Piece

GB = 10**9
ROOM = 1 * GB
"""Bytes of the disk that are left to others."""


def coming_folder(settings: Settings, asset: Asset) -> Path:
    """Where the files of an asset arrive, named by their hashes."""
    return settings.home / "models" / ".coming" / asset.digest[:16]


def still_to_come(missing: Iterable[Piece], coming: Path) -> int:
    """Bytes of the pieces that are not among what is coming."""
    there = sum(path.stat().st_size for path in coming.iterdir()) if coming.is_dir() else 0
    return sum(piece.size for piece in missing) - there


def require_room(settings: Settings, wanted: int, room: int) -> None:
    """StorageError when the disk has none for so many bytes that are to come, and ``room`` bytes besides."""
    free = shutil.disk_usage(settings.home).free
    if wanted + room > free:
        raise StorageError(
            f"{wanted / GB:.1f} GB are to come, and {settings.home} has {free / GB:.1f} GB free, "
            f"of which {room / GB:.0f} GB stay; make room, or set FARM_HOME to a larger disk."
        )


def settle(piece: Piece, coming: Path) -> None:
    """Move a piece whose files are all there to its place, at once.

    Raises:
        StorageError: something appeared there in between.
    """
    target = piece.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(piece.files) == 1 and not piece.files[0].name:
        try:
            os.link(coming / piece.files[0].sha256, target)
        except FileExistsError:
            raise StorageError(f"there is something else at {target} by now, which stays as it is.") from None
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
