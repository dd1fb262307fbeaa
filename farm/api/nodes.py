"""Routes for the machines that render, and for the owners who share them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body

from farm.jobs.nodes import Drain, DrainForm, Node, NodeChange
from farm.jobs.owners import OwnerChange

from .context import Farm
from .node_views import NodeList, NodeView, OwnerList, OwnerSettings, node_view, node_views, owner_views
from .params import NodeName, OwnerName, ReplicaId

router = APIRouter(tags=["cluster"])

How = Annotated[DrainForm, Body(default_factory=DrainForm)]


@router.get("/nodes", summary="List nodes")
def list_nodes(farm: Farm) -> NodeList:
    """The machines that the farm knows, their replicas and what these are at. Those that left are among them."""
    return NodeList(nodes=node_views(farm.store))


@router.patch("/nodes/{node}", summary="Change a node's settings")
def change_node(farm: Farm, node: NodeName, change: NodeChange) -> NodeView:
    """Labels, hours, most replicas. Settings belong to the host's name and stay when it leaves and comes back."""
    return _changed(farm, farm.store.change_node(node, change))


@router.post("/nodes/{node}/drain", summary="Drain a node")
def drain_node(farm: Farm, node: NodeName, how: How) -> NodeView:
    """It finishes what it is at and takes nothing more; with `now` that is handed back at once and done elsewhere."""
    return _changed(farm, farm.store.drain(node, _drain(how)))


@router.post("/nodes/{node}/undrain", summary="Let a drained node work")
def undrain_node(farm: Farm, node: NodeName) -> NodeView:
    return _changed(farm, farm.store.undrain(node))


@router.post("/replicas/{replica}/drain", summary="Drain a replica")
def drain_replica(farm: Farm, replica: ReplicaId, how: How) -> NodeView:
    """Its place on the node is drained: a replica that follows it there gets nothing either."""
    row = farm.store.replica(replica)
    return _changed(farm, farm.store.drain(row.host, _drain(how), row.seat))


@router.post("/replicas/{replica}/undrain", summary="Let a drained replica work")
def undrain_replica(farm: Farm, replica: ReplicaId) -> NodeView:
    row = farm.store.replica(replica)
    return _changed(farm, farm.store.undrain(row.host, row.seat))


@router.get("/owners", summary="List owners")
def list_owners(farm: Farm) -> OwnerList:
    """Who shares the farm, and how."""
    return OwnerList(owners=owner_views(farm.store))


@router.patch("/owners/{owner:path}", summary="Change an owner's share")
def change_owner(farm: Farm, owner: OwnerName, change: OwnerChange) -> OwnerSettings:
    """Weight of the share, most tasks at a time. One who has had no job yet is fine."""
    name = farm.store.change_owner(owner, change).name
    farm.changed()
    return next(view for view in owner_views(farm.store) if view.name == name)


def _drain(how: DrainForm) -> Drain:
    return Drain(how.by, how.reason, how.now, datetime.now(UTC))


def _changed(farm: Farm, node: Node) -> NodeView:
    farm.changed()
    return node_view(farm.store, node.host)
