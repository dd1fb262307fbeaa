"""Routes for machines that join and leave, which ask with the node's token; the API's description leaves them out."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from farm.errors import InputError
from farm.jobs.nodes import ITSELF, Drain, NodeState
from farm.joining.card import Card
from farm.joining.ports import unreachable
from farm.joining.tokens import read_ray_token

from .context import Farm
from .node_views import node_view
from .params import NodeName

UNFINISHED = ("idle", "busy", "draining")

router = APIRouter()

Port = Annotated[int, Field(ge=1024, le=65535)]


class Probe(BaseModel):
    """Ports of the asking machine that the head is to call."""

    model_config = ConfigDict(extra="forbid")

    ports: Annotated[list[Port], Field(max_length=16)]


class Leave(BaseModel):
    """``now``: what the node is at is handed back and done elsewhere."""

    model_config = ConfigDict(extra="forbid")

    now: bool = False


@router.get("/card")
def card(farm: Farm) -> dict[str, Any]:
    """What a machine needs to join."""
    return Card.of_head(farm.settings, read_ray_token(farm.settings)).to_dict()


@router.post("/probe")
def probe(request: Request, wanted: Probe) -> dict[str, Any]:
    """Which of its ports can't be reached from here."""
    if request.client is None:
        raise InputError("the head can't see where you call from.")
    found = unreachable(request.client.host, tuple(wanted.ports))
    return {"unreachable": {str(port): reason for port, reason in found.items()}}


@router.post("/nodes/{node}/arrive")
def arrive(farm: Farm, node: NodeName) -> dict[str, Any]:
    """A node that was drained because it left works again. What people drained stays drained."""
    known = next((row for row in farm.store.nodes() if row.host == node), None)
    drain = known.settings.drain if known else None
    if drain is not None and drain.by == ITSELF:
        farm.store.undrain(node)
        farm.nudge()
    return {}


@router.get("/nodes/{node}")
def look(farm: Farm, node: NodeName) -> dict[str, Any]:
    """``up``: the farm has it. Who asks has just started Ray there, so the coordinator looks at once."""
    known = next((row for row in farm.store.nodes() if row.host == node), None)
    up = known is not None and known.facts.state is NodeState.UP
    if not up:
        farm.nudge()
    return {"up": up}


@router.post("/nodes/{node}/leave")
def leave(farm: Farm, node: NodeName, how: Leave) -> dict[str, Any]:
    """Drain it. ``running``: replicas that are at work, or to which the drain has not come yet."""
    view = node_view(farm.store, node)
    if view.drain is None or how.now > view.drain.now:
        farm.store.drain(node, Drain(ITSELF, "it leaves", how.now, datetime.now(UTC)))
        farm.nudge()
        view = node_view(farm.store, node)
    return {"running": sum(replica.state in UNFINISHED for replica in view.replicas)}
