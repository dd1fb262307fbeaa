"""Gives the head weights and LoRAs that it lacks and this machine has; it passes them on to others.

They go through the head's door for nodes, and lie in its home wherever its artifacts are. Who gives what was cut goes
on where that was: an upload has a name that says whose it is and not who sends it.
"""

import hashlib
import logging
from collections.abc import Callable

from farm.errors import NotFoundError
from farm.jobs.assets import PUSHED, Asset, AssetKind
from farm.store.artifacts.http import HeadTransport
from model.brought import BroughtFile, Given, given_family, given_lora
from model.families import describe
from model.loras.library import digest, find
from model.settings import ModelSettings

from .arrivals import GIVEN, coming_name
from .head import Head

log = logging.getLogger(__name__)


def pieces_of(asset: Asset, settings: ModelSettings) -> list[Given]:
    """What a family or LoRA of this machine, whose settings these are, consists of.

    Raises:
        FarmError: this machine can't use it itself.
    """
    if asset.kind not in PUSHED:
        raise NotFoundError("plug-ins follow the head by themselves; no machine gives them to another.")
    given = given_family if asset.kind is AssetKind.MODEL else given_lora
    return given(asset.name, settings)


def upload_of(asset: Asset, file: BroughtFile) -> str:
    """The name of a file's upload, 32 hexadecimal digits."""
    return hashlib.sha256(_key(asset, file).encode()).hexdigest()[:32]


def give(head: Head, host: str, asset: Asset, at: Callable[[int, int], None], settings: ModelSettings) -> None:
    """Send the head all files of an asset that are not there yet, then have it put them in their places.

    Args:
        host: the head's own name.
        at: told how many bytes of how many are there; what it raises when they are not wanted any more ends the giving
            at once.
        settings: of this machine.

    Raises:
        FarmError: the head has no room, a file can't be sent, or the head can't use what came.
    """
    given = pieces_of(asset, settings)
    if asset.digest != _digest(asset, settings):
        raise NotFoundError(f"{asset.name} is another by now where it was.")
    pieces = [one.piece for one in given]
    wanted = head.offer(host, asset, pieces)
    done, total = 0, sum(piece.size for piece in pieces)
    transport = HeadTransport(head.url, head.token)
    for one in given:
        for file, path in zip(one.piece.files, one.paths, strict=True):
            at(done, total)
            if file.sha256 in wanted:
                key, name = _key(asset, file), upload_of(asset, file)
                transport.upload(key, path, file.size, file.sha256, name, _beyond(at, done, total))
            done += file.size
    log.info("the head has all of %s", asset.name)
    head.given(host, asset, pieces)


def _digest(asset: Asset, settings: ModelSettings) -> str:
    """Of what this machine has of that kind and name."""
    if asset.kind is AssetKind.MODEL:
        return describe(asset.name, settings).checkpoint_sha256
    return digest(find(asset.name, settings), settings)


def _beyond(at: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    """``at`` for one file, before which so many bytes are there."""
    return lambda sent: at(before + sent, total)


def _key(asset: Asset, file: BroughtFile) -> str:
    return f"{GIVEN}/{coming_name(asset)}/{file.sha256}"
