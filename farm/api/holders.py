"""Which node can take what, and why not: what the head has, beside what each node says that it has."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from pydantic import BaseModel

from farm.cluster.seats import seat_of_row
from farm.errors import FarmError
from farm.intake.needs import needs_of
from farm.jobs.assets import Asset, AssetKind, Assets
from farm.jobs.nodes import Node, NodeState
from farm.jobs.records import Replica, TaskKind
from farm.scheduling.lacking import has_other
from farm.scheduling.reasons import too_large
from farm.scheduling.records import Needs, SeatView
from farm.store.jobs import JobStore
from model.families import checkpoint
from model.settings import ModelSettings


class HolderView(BaseModel):
    """A node: whether it ``takes`` jobs with the asset; ``why`` it does not, empty when it does."""

    host: str
    takes: bool
    why: str


class AssetView(BaseModel):
    """Something that jobs need on a node's disk. ``kind``: ``model`` for a family's weights, ``lora``, or ``exporter``
    for a plug-in; ``digest``: of its content, or package and version; ``on_head``: jobs that are sent now ask for
    this one."""

    kind: str
    name: str
    digest: str
    on_head: bool
    nodes: list[HolderView]


class AssetList(BaseModel):
    assets: list[AssetView]


def asset_views(store: JobStore, mine: Assets, settings: ModelSettings) -> list[AssetView]:
    """All that the head or a node has; ``mine``: what the head has, whose settings these are."""
    nodes = [node for node in store.nodes() if node.facts.state is NodeState.UP]
    seats: dict[str, list[SeatView]] = defaultdict(list)
    for replica in store.replicas():
        seats[replica.host] += _seat(replica)
    names = {(asset.kind, asset.name) for asset in mine}
    others = {asset for node in nodes for asset in node.facts.report.assets or () if asset[:2] not in names}
    return [
        _view(asset, _needs(asset, settings) if asset in mine else None, nodes, seats)
        for asset in sorted(mine | others)
    ]


def _seat(replica: Replica) -> list[SeatView]:
    with suppress(KeyError, TypeError, ValueError):  # another version wrote it
        return [seat_of_row(replica.data["seat"], "", lambda at: at).seat]
    return []


def _view(
    asset: Asset, needs: Needs | None, nodes: Iterable[Node], seats: Mapping[str, Sequence[SeatView]]
) -> AssetView:
    """``needs``: None where the head does not have it."""
    holders = []
    for node in nodes:
        why = _why_not(asset, node, seats.get(node.host, ()), needs or Needs())
        holders.append(HolderView(host=node.host, takes=not why, why=why))
    return AssetView(
        kind=asset.kind.value, name=asset.name, digest=asset.digest, on_head=needs is not None, nodes=holders
    )


def _needs(asset: Asset, settings: ModelSettings) -> Needs:
    """What it takes of a device, as far as that is known."""
    if asset.kind is not AssetKind.MODEL:
        return Needs()
    try:
        needed = needs_of(checkpoint(asset.name, settings))
    except FarmError:
        return Needs()
    return Needs(asset.name, needed["card"], host=needed["host"])


def _why_not(asset: Asset, node: Node, seats: Sequence[SeatView], needs: Needs) -> str:
    report = node.facts.report
    if report.assets is None:
        return "it has not said yet what it has"
    if asset not in report.assets:
        if has_other(asset, report.assets):
            return "it has another of that name"
        return report.faults.get(asset.name, "") if asset.kind is AssetKind.MODEL else "it is not there"
    kind = TaskKind.EXPORT if asset.kind is AssetKind.EXPORTER else TaskKind.SECTION
    able = [seat for seat in seats if kind in seat.takes]
    if not able:
        return f"it has no replica that takes {kind.value} tasks now"
    if any(needs.fit(seat.memory, seat.on_cpu) for seat in able):
        return ""
    return too_large(needs, able).text
