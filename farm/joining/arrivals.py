"""What arrives on a machine, of weights and LoRAs, and lies there until all of it is there.

The files of an asset lie in a folder of its own in ``FARM_HOME/models/.coming``, named by their hashes. On the head, to
which nodes give, a file lies beside these folders as long as it is in part. What nobody goes on with stays for a day,
for another try.
"""

import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from farm.jobs.assets import Asset
from farm.settings import Settings
from farm.store.artifacts.uploads import ABANDONED_SECONDS
from farm.store.artifacts.uploads import FOLDER as UPLOADS

GIVEN = "given"
"""What keys begin with, at the head's door for nodes, that lead here and not to the artifacts."""

log = logging.getLogger(__name__)


def arrivals(settings: Settings) -> Path:
    """Where the folders of all assets are that arrive."""
    return settings.home / "models" / ".coming"


def coming_name(asset: Asset) -> str:
    """What an asset's folder is called there."""
    return asset.digest[:16]


def coming_folder(settings: Settings, asset: Asset) -> Path:
    """An asset's folder."""
    return arrivals(settings) / coming_name(asset)


def sweep(settings: Settings, going_on: Iterable[Asset]) -> None:
    """Remove what arrived of assets that are not ``going_on``, and of files in part, a day after the last byte came."""
    root, kept = arrivals(settings), {coming_folder(settings, asset) for asset in going_on}
    for place in (*root.glob("[!.]*"), *root.glob(f"{UPLOADS}/*")):
        if place not in kept and time.time() - _touched(place) > ABANDONED_SECONDS:
            log.info("%s is removed: nobody has gone on with it for a day", place)
            _remove(place)


def _touched(place: Path) -> float:
    """When a file, or a folder and what is in it, changed last, in seconds since 1970."""
    newest = 0.0
    for path in (place, *place.rglob("*")):
        with suppress(OSError):  # it may be gone meanwhile
            newest = max(newest, path.stat().st_mtime)
    return newest


def _remove(place: Path) -> None:
    """What can't be removed stays."""
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
        return
    with suppress(OSError):
        place.unlink()
