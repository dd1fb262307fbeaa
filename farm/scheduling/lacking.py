"""What nodes lack on their disks for a task, and what brings it there."""

from collections.abc import Mapping, Sequence

from farm.jobs.assets import Asset, AssetKind, Assets

from .codes import Code, Reason
from .records import SeatView

OF_PLUGINS = {AssetKind.EXPORTER: "exporter", AssetKind.POST: "post-processor", AssetKind.CACHE: "step cache"}
CODES = {
    AssetKind.MODEL: Code.NO_MODEL,
    AssetKind.LORA: Code.NO_LORA,
    **dict.fromkeys(OF_PLUGINS, Code.NO_PLUGIN),
}


def lacking(needed: Assets, seats: Sequence[SeatView], hosts: Mapping[str, str]) -> Reason:
    """What the nodes of ``seats`` lack, none of which has all that is needed; told by the one that lacks least.

    Args:
        hosts: nodes' names for people.
    """
    found = {hosts.get(seat.node, seat.node): seat.assets or frozenset() for seat in seats}
    nearest = min(found, key=lambda host: (len(needed - found[host]), host))
    asset = min(needed - found[nearest], key=lambda asset: (list(AssetKind).index(asset.kind), asset))
    without = sorted(host for host, assets in found.items() if asset not in assets)
    others = all(has_other(asset, found[host]) for host in without)
    details = {"kind": asset.kind.value, "name": asset.name, "digest": asset.digest, "nodes": without, "others": others}
    return Reason(CODES[asset.kind], _told(asset, without, others), details)


def has_other(asset: Asset, assets: Assets) -> bool:
    """Whether there is something else of that name."""
    return any((one.kind, one.name) == (asset.kind, asset.name) and one != asset for one in assets)


def _told(asset: Asset, nodes: Sequence[str], others: bool) -> str:
    where = f"Node {nodes[0]}" if len(nodes) == 1 else "No node"
    alone = len(nodes) == 1
    if asset.kind in OF_PLUGINS:
        what = f"{OF_PLUGINS[asset.kind]} {asset.name}"
        lacks = f"{where} {'lacks' if alone else 'has'} the job's plug-in of {what}."
        if asset.digest.startswith("package "):
            return f"{lacks} Install {asset.digest.removeprefix('package ')} there."
        return f"{lacks} Nodes that joined by `farm join` fetch it."
    what = f"weights of {asset.name}" if asset.kind is AssetKind.MODEL else f"LoRA {asset.name}"
    push = f"`farm models push {asset.name}{f' {nodes[0]}' if alone else ''}`"
    if others:
        every = f"Node {nodes[0]} has" if alone else f"All {len(nodes)} nodes have"
        return f"{every} other {what} than this job was sent with. Move those away, then {push}."
    if asset.kind is AssetKind.MODEL:
        return f"{where} has {'no' if alone else 'the'} {what}; {push} brings them."
    return f"{where} {'lacks' if alone else 'has'} the {what}; {push} brings it."
