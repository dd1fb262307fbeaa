"""Assets that nodes are to fetch, and how far each is. Each function is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from farm.jobs.assets import Asset, AssetKind, PushState

from . import rows
from . import tables as t

FORGOTTEN_AFTER = timedelta(days=7)
OPEN = (PushState.WANTED, PushState.COMING)


@dataclass(frozen=True)
class Push:
    """``done`` of ``total`` bytes; ``message``: why it failed, or what is waited for."""

    host: str
    asset: Asset
    state: PushState = PushState.WANTED
    done: int = 0
    total: int = 0
    message: str = ""
    updated_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state in OPEN


def put(connection: Connection, hosts: Sequence[str], asset: Asset) -> None:
    """Have nodes fetch it. One that is at it goes on; one that failed or was stopped begins again."""
    moment = rows.now()
    connection.execute(delete(t.pushes).where(t.pushes.c.updated_at < moment - FORGOTTEN_AFTER))
    for host in hosts:
        at_it = (t.pushes.c.digest == asset.digest) & t.pushes.c.state.in_(OPEN)
        if connection.execute(select(t.pushes.c.host).where(_of(host, asset), at_it)).first():
            continue
        connection.execute(delete(t.pushes).where(_of(host, asset)))
        values = {"host": host, **asset._asdict(), "state": PushState.WANTED, "updated_at": moment}
        connection.execute(insert(t.pushes).values(values))


def load(connection: Connection, host: str | None) -> list[Push]:
    """Of a node, or of all, by name."""
    query = select(t.pushes).order_by(t.pushes.c.host, t.pushes.c.kind, t.pushes.c.name)
    found = connection.execute(query if host is None else query.where(t.pushes.c.host == host)).all()
    return [
        Push(
            row.host,
            Asset(AssetKind(row.kind), row.name, row.digest),
            PushState(row.state),
            row.done,
            row.total,
            row.message,
            row.updated_at,
        )
        for row in found
    ]


def note(connection: Connection, push: Push) -> bool:
    """How far a node is; False when it is to stop."""
    mine = _of(push.host, push.asset) & (t.pushes.c.digest == push.asset.digest) & t.pushes.c.state.in_(OPEN)
    values = {"state": push.state, "done": push.done, "total": push.total, "message": push.message}
    known = connection.execute(update(t.pushes).where(mine).values(**values, updated_at=rows.now()))
    return known.rowcount > 0


def stop(connection: Connection, asset: Asset) -> None:
    """Nobody goes on with it."""
    mine = (t.pushes.c.kind == asset.kind) & (t.pushes.c.name == asset.name) & t.pushes.c.state.in_(OPEN)
    connection.execute(update(t.pushes).where(mine).values(state=PushState.STOPPED, updated_at=rows.now()))


def _of(host: str, asset: Asset) -> ColumnElement[bool]:
    return (t.pushes.c.host == host) & (t.pushes.c.kind == asset.kind) & (t.pushes.c.name == asset.name)
