"""What the head lacks and nodes have: which of them gives it, and how it comes to its place here."""

import os
import shutil
import socket
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from farm.errors import ConflictError, FarmError, StorageError
from farm.files import written_aside
from farm.jobs.assets import PUSHED, Asset, AssetKind, PushState
from farm.jobs.nodes import NodeState
from farm.joining.giving import FOLDER
from farm.joining.settling import ROOM, coming_folder, require_room, settle
from farm.store.pushes import Push
from model.brought import BroughtFile, Piece, lacks

from .assets import Shelf
from .context import FarmContext


def head_host() -> str:
    """The head's name among its nodes."""
    return socket.gethostname()


def elsewhere(farm: FarmContext, name: str) -> Asset | None:
    """The family or LoRA of that name that nodes have; None when none does.

    Raises:
        ConflictError: they have several of that name.
    """
    found: dict[Asset, list[str]] = {}
    for node in farm.store.nodes():
        for asset in node.facts.report.assets or () if node.facts.state is NodeState.UP else ():
            if asset.kind in PUSHED and asset.name in (name, name.casefold()):
                found.setdefault(asset, []).append(node.host)
    if len(found) > 1:
        which = "; ".join(f"{asset.digest[:12]} on {', '.join(hosts)}" for asset, hosts in sorted(found.items()))
        raise ConflictError(f"there is more than one {name}: {which}. Put the one that is meant onto the head.")
    return next(iter(found), None)


def to_give(farm: FarmContext, node: str, wanted: Collection[Asset]) -> list[Asset]:
    """What the node is to give of what is ``wanted`` here: each asset comes from one of those that have it."""
    up = [one for one in farm.store.nodes() if one.facts.state is NodeState.UP] if wanted else []
    givers = {
        asset: min((one.host for one in up if asset in (one.facts.report.assets or ())), default="") for asset in wanted
    }
    return sorted(asset for asset, giver in givers.items() if giver == node)


def coming_here(farm: FarmContext) -> set[Asset]:
    """What is on its way to the head; nodes that are to have it wait for that."""
    return {push.asset for push in farm.store.pushes(head_host()) if push.open}


def receive(farm: FarmContext, shelf: Shelf, asset: Asset, pieces: list[Piece]) -> None:
    """Put what a node gave in its place, and note how that went; the files were checked when they came.

    Raises:
        ConflictError: nobody waits for it.
        FarmError: that can't be done.
    """
    if asset not in coming_here(farm):
        raise ConflictError(f"nobody waits here for {asset.kind} {asset.name} as it is there.")
    size = sum(piece.size for piece in pieces)
    try:
        _put(farm, asset, pieces)
        if asset not in shelf.assets():
            raise StorageError(f"what came of {asset.name} is not what the node said that it has.")
    except (FarmError, OSError) as error:
        farm.store.note_push(Push(head_host(), asset, PushState.FAILED, 0, size, str(error)[:2000]))
        raise
    farm.store.note_push(Push(head_host(), asset, PushState.DONE, size, size))
    for piece in pieces:
        for file in piece.files:
            farm.artifacts.remove_prefix(f"{FOLDER}/{file.sha256}")


def _bring(farm: FarmContext, source: Path, coming: Path, file: BroughtFile) -> None:
    """A file that was sent, whole, among those that are coming."""
    target = coming / file.sha256
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # the artifacts are on another disk
        require_room(farm.settings, file.size, ROOM)
        with written_aside(target) as aside:
            shutil.copyfile(source, aside)


def _put(farm: FarmContext, asset: Asset, pieces: list[Piece]) -> None:
    family = asset.name if asset.kind is AssetKind.MODEL else ""
    missing = [piece for piece in pieces if lacks(family, piece)]
    coming = coming_folder(farm.settings, asset)
    coming.mkdir(parents=True, exist_ok=True)
    for piece in missing:
        for file in piece.files:
            _bring(farm, farm.artifacts.path(f"{FOLDER}/{file.sha256}", file.sha256), coming, file)
        settle(piece, coming)
    with suppress(OSError):
        shutil.rmtree(coming)
