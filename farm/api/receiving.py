"""What the head lacks and nodes have: which of them gives it, and how it comes to its place here."""

import shutil
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from farm.errors import ConflictError, FarmError, StorageError
from farm.jobs.assets import PUSHED, Asset, AssetKind, PushState
from farm.jobs.nodes import NodeState
from farm.joining.arrivals import arrivals, coming_folder, sweep
from farm.joining.giving import upload_of
from farm.joining.settling import ROOM, require_room, settle, still_to_come
from farm.store.artifacts.uploads import part_of
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


def tidy(farm: FarmContext) -> None:
    """Remove what arrived here and nobody has gone on with for a day; what is on its way stays."""
    sweep(farm.settings, coming_here(farm))


def expect(farm: FarmContext, asset: Asset, pieces: Sequence[Piece]) -> set[str]:
    """Hashes of the files that are to come of what a node would give; there is room for them.

    Raises:
        ConflictError: nobody waits for it.
        FarmError: there is none, or something else is where a piece belongs.
    """
    _require_waited_for(farm, asset)
    tidy(farm)
    coming = coming_folder(farm.settings, asset)

    def places(file: BroughtFile) -> tuple[Path, Path]:
        return coming / file.sha256, part_of(arrivals(farm.settings), upload_of(asset, file))

    with _noted(farm, asset, pieces):
        missing = _missing(farm, asset, pieces)
        require_room(farm.settings, still_to_come(missing, places), ROOM)
    return {file.sha256 for piece in missing for file in piece.files if not (coming / file.sha256).exists()}


def receive(farm: FarmContext, shelf: Shelf, asset: Asset, pieces: Sequence[Piece]) -> None:
    """Put what a node gave in its place, and note how that went; the files were checked when they came.

    Raises:
        ConflictError: nobody waits for it.
        FarmError: that can't be done.
    """
    _require_waited_for(farm, asset)
    coming, size = coming_folder(farm.settings, asset), sum(piece.size for piece in pieces)
    with _noted(farm, asset, pieces):
        for piece in _missing(farm, asset, pieces):
            if not all((coming / file.sha256).exists() for file in piece.files):
                raise StorageError(f"not all of {asset.name} has come; push it again.")
            settle(farm.settings, piece, coming)
        if asset not in shelf.assets():
            raise StorageError(f"what came of {asset.name} is not what the node said that it has.")
    farm.store.note_push(Push(head_host(), asset, PushState.DONE, size, size))
    with suppress(OSError):
        shutil.rmtree(coming)


def _require_waited_for(farm: FarmContext, asset: Asset) -> None:
    if asset not in coming_here(farm):
        raise ConflictError(f"nobody waits here for {asset.kind} {asset.name} as it is there.")


def _missing(farm: FarmContext, asset: Asset, pieces: Sequence[Piece]) -> list[Piece]:
    """Those that are not here."""
    family = asset.name if asset.kind is AssetKind.MODEL else ""
    return [piece for piece in pieces if lacks(family, piece, farm.settings.model)]


@contextmanager
def _noted(farm: FarmContext, asset: Asset, pieces: Sequence[Piece]) -> Iterator[None]:
    """Note of a push what goes wrong with it here."""
    try:
        yield
    except (FarmError, OSError) as error:
        size = sum(piece.size for piece in pieces)
        farm.store.note_push(Push(head_host(), asset, PushState.FAILED, 0, size, str(error)[:2000]))
        raise
