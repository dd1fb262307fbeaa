"""What the API says of nodes, their replicas and what these are at, and of owners."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from farm.jobs.nodes import Drain, Node, NodeFacts, NodeSettings, NodeState, Wanted
from farm.jobs.records import Replica
from farm.store.activity import AtWork, OwnerLoad
from farm.store.jobs import JobStore
from farm.store.owners import Owner

from .schemas import View

HOUR, SHORTEST = 3600.0, 300.0
"""Seconds over which sections are counted, and fewest for a rate by the hour."""
SHARE_OF = timedelta(days=1)


class WorkView(View):
    """What a replica is at: a task of a job, and the denoising step that it has reached."""

    job_id: str
    job_name: str
    task: str
    step: int
    steps: int


class ReplicaView(BaseModel):
    """A packed model on one device. ``seat``: its place on the node; ``state``: such as ``idle``, ``busy``,
    ``draining`` while it finishes what it is at, ``drained``, ``starting``, ``resting``, ``quarantined``; ``message``
    says why it gets nothing. ``wanted``: what it was told. ``memory``: bytes that it may use on its device;
    ``dtypes``: in which it can use weights; ``tflops``: of a card, of products of matrices, measured when it came;
    ``speed``: work a second as measured on its sections, beside the ``expected_speed`` of its kind; ``loads``: models
    that it read in the last hour; ``trouble``: what went wrong there last."""

    id: str
    seat: str
    state: str
    message: str
    wanted: str
    device: str
    device_name: str
    memory: int | None
    capability: str
    dtypes: list[str]
    tflops: float
    models: list[str]
    speed: float | None
    expected_speed: float | None
    sections_per_hour: float
    loads: int
    work: WorkView | None
    trouble: str
    trouble_at: datetime | None
    started_at: datetime
    seen_at: datetime


class DrainView(View):
    """Who drained it, when and why; ``now``: what it was at was handed back."""

    by: str
    reason: str
    now: bool
    at: datetime | None


class HeldView(View):
    """Weights, a LoRA or a plug-in's exporter, by content."""

    kind: str
    name: str
    digest: str


class NodeView(BaseModel):
    """A machine. ``host`` is the name that settings belong to, ``id`` that of its present incarnation. ``state``:
    ``active``, ``draining`` while it finishes what it is at, ``drained``, ``closed`` outside its hours, ``gone``, or
    ``coming`` for machines that were asked for;
    ``seats``: drains of single replicas; ``memory``: bytes that replicas may use, of the ``host_memory``; ``hours``:
    empty for always; ``max_replicas``: null for as many as it has room for; ``assets``: what it has on its disk, null
    when it has not said so yet; ``speed``: work a second of a core, as a short render measured it when it joined;
    ``faults``: families that it can't use, and why."""

    host: str
    id: str
    address: str
    state: str
    message: str
    drain: DrainView | None
    seats: dict[str, DrainView]
    labels: tuple[str, ...]
    hours: str
    max_replicas: int | None
    cores: int
    memory: int
    host_memory: int
    speed: float | None
    devices: tuple[str, ...]
    assets: list[HeldView] | None
    faults: dict[str, str]
    sections_per_hour: float
    loads: int
    seen_at: datetime | None
    replicas: list[ReplicaView]


class NodeList(BaseModel):
    nodes: list[NodeView]


class OwnerSettings(View):
    """``weight`` of the share, against others'; ``limit`` of tasks at a time, null for none; ``share`` of the farm's
    work of the last day that was the owner's; jobs ``waiting`` and ``running``."""

    name: str
    weight: float
    limit: int | None
    share: float
    waiting: int
    running: int


class OwnerList(BaseModel):
    owners: list[OwnerSettings]


def node_views(store: JobStore) -> list[NodeView]:
    """All nodes, and whatever replica is on none of them under the name that it gives."""
    nodes = {node.host: node for node in store.nodes()}
    work = {held.attempt: held for held in store.at_work()}
    done = store.sections_since(datetime.now(UTC) - timedelta(seconds=HOUR))
    replicas: dict[str, list[Replica]] = defaultdict(list)
    for replica in store.replicas():
        replicas[replica.host or replica.node].append(replica)
    for host in replicas.keys() - nodes.keys():
        nodes[host] = Node(NodeSettings(host), NodeFacts(host))
    return [_node(node, replicas[host], work, done) for host, node in sorted(nodes.items())]


def node_view(store: JobStore, host: str) -> NodeView:
    """One of them."""
    return next(view for view in node_views(store) if view.host == host)


def owner_views(store: JobStore) -> list[OwnerSettings]:
    """Everybody with a job or a setting."""
    loads = store.owner_loads(datetime.now(UTC) - SHARE_OF)
    known = {owner.name: owner for owner in store.owners()}
    total = sum(load.work for load in loads.values())
    return [
        _owner(known.get(name) or Owner(name), loads.get(name) or OwnerLoad(), total)
        for name in sorted(known.keys() | loads.keys())
    ]


def _owner(owner: Owner, load: OwnerLoad, total: float) -> OwnerSettings:
    share = round(load.work / total, 4) if total else 0.0
    return OwnerSettings(
        name=owner.name,
        weight=owner.weight,
        limit=owner.limit,
        share=share,
        waiting=load.waiting,
        running=load.running,
    )


def _node(node: Node, replicas: Sequence[Replica], work: Mapping[str, AtWork], done: Mapping[str, int]) -> NodeView:
    settings, facts = node.settings, node.facts
    held = facts.report.assets
    views = [_replica(replica, settings, work, done) for replica in sorted(replicas, key=lambda one: one.seat)]
    return NodeView(
        host=node.host,
        id=facts.id,
        address=facts.address,
        state=_state(node, views),
        message=settings.drain.why if settings.drain else facts.message,
        drain=_drain(settings.drain),
        seats={seat: DrainView.model_validate(drain) for seat, drain in settings.seats.items()},
        labels=settings.labels,
        hours=str(settings.hours or ""),
        max_replicas=settings.max_replicas,
        cores=facts.cores,
        memory=facts.memory,
        host_memory=facts.report.host_memory,
        speed=facts.report.speed or None,
        assets=None if held is None else [HeldView.model_validate(asset) for asset in sorted(held)],
        faults=dict(facts.report.faults),
        devices=facts.devices,
        sections_per_hour=round(sum(view.sections_per_hour for view in views), 1),
        loads=sum(view.loads for view in views),
        seen_at=node.seen_at,
        replicas=views,
    )


def _state(node: Node, replicas: Iterable[ReplicaView]) -> str:
    if node.facts.state is not NodeState.UP:
        return node.facts.state.value
    busy = any(replica.work for replica in replicas)
    if node.settings.drain:
        return "draining" if busy else "drained"
    if node.facts.message:
        return "draining" if busy else "closed"
    return "active"


def _drain(drain: Drain | None) -> DrainView | None:
    return DrainView.model_validate(drain) if drain else None


def _replica(row: Replica, settings: NodeSettings, work: Mapping[str, AtWork], done: Mapping[str, int]) -> ReplicaView:
    held = work.get(row.data.get("attempt") or "")
    ends = row.wanted == Wanted.DRAINED or settings.drain_of(row.seat) is not None
    state = ("draining" if held else "drained") if ends and row.state in ("idle", "busy", "draining") else row.state
    now = time.time()
    span = min(HOUR, max(SHORTEST, now - row.started_at.timestamp()))
    fields = {name: value for name, value in vars(row).items() if name in ReplicaView.model_fields}
    return ReplicaView(
        **fields
        | {
            "state": state,
            "dtypes": row.data.get("dtypes", []),
            "tflops": row.data.get("tflops", 0.0),
            "work": WorkView.model_validate(held) if held else None,
            "sections_per_hour": round(done.get(row.id, 0) * HOUR / span, 1),
            "loads": sum(now - at < HOUR for at in row.loads),
        }
    )
