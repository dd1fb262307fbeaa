"""Gives the head weights and LoRAs that it lacks and this machine has; it passes them on to others."""

import logging
from collections.abc import Callable

from farm.errors import NotFoundError
from farm.jobs.assets import PUSHED, Asset, AssetKind
from farm.store.artifacts.http import HeadTransport
from model.brought import Given, given_family, given_lora
from model.loras.library import digest, find

from .head import Head

FOLDER = "given"
"""Among the head's artifacts, where the files are until all are there, named by their hashes."""

log = logging.getLogger(__name__)


def pieces_of(asset: Asset) -> list[Given]:
    """What a family or LoRA of this machine consists of.

    Raises:
        FarmError: this machine can't use it itself.
    """
    if asset.kind not in PUSHED:
        raise NotFoundError("plug-ins follow the head by themselves; no machine gives them to another.")
    return given_family(asset.name) if asset.kind is AssetKind.MODEL else given_lora(asset.name)


def give(head: Head, host: str, asset: Asset, at: Callable[[int, int], None]) -> None:
    """Send the head all files of an asset that are not there yet, then have it put them in their places.

    Args:
        host: the head's own name.
        at: told how many bytes of how many are there; raises CancelledError when they are not wanted any more.

    Raises:
        FarmError: a file can't be sent, or the head can't use what came.
    """
    given = pieces_of(asset)
    if asset.kind is AssetKind.LORA and asset.digest != digest(find(asset.name)):
        raise NotFoundError(f"{asset.name} is another by now where it was.")
    done, total = 0, sum(one.piece.size for one in given)
    transport = HeadTransport(head.url, head.token)
    for one in given:
        for file, path in zip(one.piece.files, one.paths, strict=True):
            at(done, total)
            key = f"{FOLDER}/{file.sha256}"
            if not transport.exists(key):
                transport.upload(key, path, file.size, file.sha256)
            done += file.size
    log.info("the head has all of %s", asset.name)
    head.given(host, asset, [one.piece for one in given])
