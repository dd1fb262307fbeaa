"""Routes that say which node has which models, LoRAs and plug-ins, and that have nodes fetch them from the head."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from farm.errors import ConflictError, NotFoundError
from farm.jobs.assets import Asset, AssetKind, PushState
from farm.jobs.nodes import Node, NodeState
from farm.store.nodes import no_such
from farm.store.pushes import Push
from model.brought import Piece

from .assets import Shelf
from .context import Farm, FarmContext
from .holders import AssetList, asset_views
from .params import NodeName
from .receiving import coming_here, elsewhere, expect, head_host, receive, to_give

BLOCK = 1 << 20

router = APIRouter(tags=["cluster"])
node_router = APIRouter()
"""For machines that joined, which ask with the node's token."""


def _shelf(request: Request) -> Shelf:
    shelf: Shelf = request.app.state.shelf
    return shelf


OnShelf = Annotated[Shelf, Depends(_shelf)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,120}$")]


class PushForm(BaseModel):
    """What to bring, by the ``name`` of a family or a LoRA of the head, and to which ``nodes``; none named: to all that
    lack it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "puppet"}]})

    name: Name
    nodes: Annotated[list[Host], Field(max_length=1000)] = []


class StopForm(BaseModel):
    """The ``name`` of what nodes shall stop fetching; what has arrived stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "puppet"}]})

    name: Name


class PushView(BaseModel):
    """What a node is to fetch. ``state``: ``wanted`` until it begins, ``coming``, ``done``, ``failed`` with its
    ``message``, ``stopped``; ``done`` of ``total`` bytes."""

    host: str
    kind: str
    name: str
    digest: str
    state: PushState
    done: int
    total: int
    message: str
    updated_at: datetime | None


class PushList(BaseModel):
    pushes: list[PushView]


class Told(BaseModel):
    """How far a node is."""

    model_config = ConfigDict(extra="forbid")

    kind: AssetKind
    name: Name
    digest: Name
    state: PushState
    done: Annotated[int, Field(ge=0, le=2**62)] = 0
    total: Annotated[int, Field(ge=0, le=2**62)] = 0
    message: Annotated[str, Field(max_length=2000)] = ""


class GivenForm(BaseModel):
    """An asset whose files a node would send, or has sent; ``pieces``: see ``Piece``."""

    model_config = ConfigDict(extra="forbid")

    kind: AssetKind
    name: Name
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    pieces: Annotated[list[dict[str, Any]], Field(max_length=1000)]

    def read(self) -> tuple[Asset, list[Piece]]:
        """Raises InputError for what is no piece."""
        return Asset(self.kind, self.name, self.digest), [Piece.of_json(piece) for piece in self.pieces]


@router.get("/assets", summary="List what nodes have")
def list_assets(farm: Farm, shelf: OnShelf) -> AssetList:
    """Weights, LoRAs and plug-ins by content: which node can take jobs with them, and why another can't."""
    return AssetList(assets=asset_views(farm.store, shelf.assets(), farm.settings.model))


@router.get("/assets/pushes", summary="List what nodes fetch")
def list_pushes(farm: Farm) -> PushList:
    """What was brought to nodes lately, or is on its way."""
    return _views(farm.store.pushes())


@router.post("/assets/push", summary="Bring weights or a LoRA to nodes")
def push(farm: Farm, shelf: OnShelf, form: PushForm) -> PushList:
    """The nodes fetch it from the head by themselves, and go on where they were stopped. Those that have it need
    nothing. What the head lacks comes to it from a node that has it, before the others."""
    asset, here = _found(farm, shelf, form.name)
    hosts = [node.host for node in _named(farm.store.nodes(), form.nodes) if not _has(node, asset)]
    if not here:
        hosts = [head_host(), *(host for host in hosts if host != head_host())]
    farm.store.push(hosts, asset)
    wanted = set(hosts)
    return _views([one for one in farm.store.pushes() if one.asset == asset and one.host in wanted])


@router.post("/assets/stop", summary="Have nodes stop fetching")
def stop(farm: Farm, shelf: OnShelf, form: StopForm) -> PushList:
    """What has arrived stays; another push goes on from there."""
    known = {
        one.asset for one in farm.store.pushes() if one.open and one.asset.name in (form.name, form.name.casefold())
    }
    if not known:
        known = {_found(farm, shelf, form.name)[0]}
    for asset in known:
        farm.store.stop_push(asset)
    return _views([one for one in farm.store.pushes() if one.asset in known])


@node_router.get("/nodes/{node}/pushes")
def wanted(farm: Farm, node: NodeName) -> dict[str, Any]:
    """What the node is to fetch, less what is still on its way to the head, and what it is to give."""
    coming = coming_here(farm)
    fetch = [one.asset for one in farm.store.pushes(node) if one.open and one.asset not in coming]
    give = to_give(farm, node, coming)
    return {
        "pushes": [asset._asdict() for asset in fetch],
        "gives": [asset._asdict() for asset in give],
        "head": head_host(),
    }


@node_router.post("/nodes/{node}/offered")
def offered(farm: Farm, node: NodeName, what: GivenForm) -> dict[str, Any]:
    """The node would send the head an asset; ``missing``: hashes of the files that it is to send."""
    return {"missing": sorted(expect(farm, *what.read()))}


@node_router.post("/nodes/{node}/given")
def given(farm: Farm, shelf: OnShelf, node: NodeName, what: GivenForm) -> dict[str, Any]:
    """The node has sent the head all files of an asset."""
    receive(farm, shelf, *what.read())
    return {}


@node_router.post("/nodes/{node}/pushes")
def told(farm: Farm, node: NodeName, how: Told) -> dict[str, Any]:
    """How far it is; ``wanted``: it shall go on."""
    asset = Asset(how.kind, how.name, how.digest)
    return {"wanted": farm.store.note_push(Push(node, asset, how.state, how.done, how.total, how.message))}


@node_router.get("/pieces")
def pieces(shelf: OnShelf, kind: AssetKind, name: str, digest: str) -> dict[str, Any]:
    """What one of the head's assets consists of."""
    return {"pieces": [given.piece.to_json() for given in shelf.given(Asset(kind, name, digest))]}


@node_router.get("/followed")
def followed(shelf: OnShelf) -> dict[str, Any]:
    """The head's own plug-ins and presets as they are now."""
    return {"files": [vars(one) for one in shelf.followed()]}


@node_router.get("/files/{sha256}")
def file(shelf: OnShelf, sha256: str) -> FileResponse:
    """A file of one of them, or ranges of it."""
    return _File(shelf.path(sha256), media_type="application/octet-stream", headers={"ETag": f'"{sha256}"'})


class _File(FileResponse):
    chunk_size = BLOCK


def _found(farm: FarmContext, shelf: Shelf, name: str) -> tuple[Asset, bool]:
    """The family or LoRA of that name, and whether the head has it; else nodes do."""
    try:
        return shelf.find(name), True
    except NotFoundError:
        asset = elsewhere(farm, name)
        if asset is None:
            raise
        return asset, False


def _named(nodes: list[Node], names: list[str]) -> list[Node]:
    """The nodes that were named, or all that are there."""
    there = {node.host: node for node in nodes if node.facts.state is NodeState.UP}
    for name in names:
        if name not in there:
            if any(node.host == name for node in nodes):
                raise ConflictError(f"node {name} is not in the farm now; push again when it is back.")
            raise no_such("node", name, list(there))
    return [there[name] for name in dict.fromkeys(names)] if names else list(there.values())


def _has(node: Node, asset: Asset) -> bool:
    return asset in (node.facts.report.assets or ())


def _views(pushes: list[Push]) -> PushList:
    return PushList(
        pushes=[PushView(**{**vars(one), **one.asset._asdict(), "kind": one.asset.kind.value}) for one in pushes]
    )
