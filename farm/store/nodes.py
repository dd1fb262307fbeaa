"""Nodes: what people want of them, by the host's name, and what each is. Each function is one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, null, select, text, update

from farm.errors import NotFoundError, unknown_name
from farm.jobs.assets import NodeReport
from farm.jobs.nodes import Drain, Hours, Node, NodeChange, NodeFacts, NodeSettings, NodeState
from farm.jobs.owners import OwnerChange
from farm.jobs.records import Replica

from . import rows
from . import tables as t
from .owners import Owner, load_owners

LOOK = "coordinator"
"""The name of the row that says when all nodes and replicas that are there were last seen."""
FORGOTTEN_AFTER = timedelta(days=7)
"""A node that is gone for so long is forgotten, unless somebody has set something for it."""


@dataclass(frozen=True)
class Wishes:
    """What people have changed since the mark ``after``; the newest mark is ``newest``."""

    nodes: tuple[NodeSettings, ...] = ()
    owners: tuple[Owner, ...] = ()
    newest: int = 0


NO_WISHES = Wishes()


def load_nodes(connection: Connection) -> list[Node]:
    """All by name, those that are gone too."""
    looked = last_look(connection)
    return [_node(row, looked) for row in connection.execute(select(t.nodes).order_by(t.nodes.c.host)).all()]


def wishes(connection: Connection, after: int) -> Wishes:
    """What was changed after that mark; everything after -1."""
    nodes = connection.execute(select(t.nodes).where(t.nodes.c.changed > after)).all()
    owners = connection.execute(select(t.owners).where(t.owners.c.changed > after)).all()
    newest = max((row.changed for row in (*nodes, *owners)), default=after)
    names = {row.name for row in owners}
    found = [owner for owner in load_owners(connection) if owner.name in names] if names else []
    return Wishes(tuple(_node(row).settings for row in nodes), tuple(found), newest)


def change_node(connection: Connection, name: str, change: NodeChange) -> Node:
    """Change settings; NotFoundError for an unknown node."""
    return _change(connection, name, change.values)


def drain(connection: Connection, name: str, drain: Drain, seat: str = "") -> Node:
    """Have a node, or one seat of it, take nothing more."""
    return _drain(connection, name, seat, drain)


def undrain(connection: Connection, name: str, seat: str = "") -> Node:
    """Undo that. A node's own drain and those of its seats are undone one by one."""
    return _drain(connection, name, seat, None)


def load_replicas(connection: Connection) -> list[Replica]:
    """All known replicas by node and device."""
    looked, replica = last_look(connection), t.replicas.c
    query = select(t.replicas).order_by(replica.node, replica.device, replica.id)
    return [rows.replica(row, looked) for row in connection.execute(query).all()]


def find_replica(connection: Connection, replica_id: str) -> Replica:
    """The replica with that id; NotFoundError suggests another."""
    found = connection.execute(select(t.replicas).where(t.replicas.c.id == replica_id)).first()
    if found is None:
        raise no_such("replica", replica_id, connection.execute(select(t.replicas.c.id)).scalars().all())
    return rows.replica(found, last_look(connection))


def put_facts(connection: Connection, known: Sequence[NodeFacts]) -> None:
    """Note what nodes are; what people want of them stays. One that went was there at the last look."""
    moment = rows.now()
    looked = last_look(connection) or moment
    for facts in known:
        values = {**vars(facts), "devices": list(facts.devices), "report": facts.report.to_json()}
        seen = {"seen_at": moment if facts.state is NodeState.UP else looked}
        here = update(t.nodes).where(t.nodes.c.host == facts.host).values(**values, **seen)
        if connection.execute(here).rowcount == 0:
            connection.execute(insert(t.nodes).values(**values, seen_at=moment))


def remove_node(connection: Connection, host: str) -> None:
    """Forget a node."""
    connection.execute(delete(t.nodes).where(t.nodes.c.host == host))


def note_look(connection: Connection) -> None:
    """That nodes and replicas are as their rows say: all that are up, or were heard, were there a moment ago."""
    moment = rows.now()
    known = connection.execute(update(t.looks).where(t.looks.c.name == LOOK).values(at=moment))
    if known.rowcount == 0:
        connection.execute(insert(t.looks).values(name=LOOK, at=moment))


def last_look(connection: Connection) -> datetime | None:
    """When that was noted last."""
    return connection.execute(select(t.looks.c.at).where(t.looks.c.name == LOOK)).scalar()


def forget_gone(connection: Connection) -> None:
    """Remove nodes that nobody has set anything for and that have long been gone."""
    old = (t.nodes.c.state == NodeState.GONE) & (t.nodes.c.seen_at < rows.now() - FORGOTTEN_AFTER)
    found = [_node(row).settings for row in connection.execute(select(t.nodes).where(old)).all()]
    hosts = [settings.host for settings in found if settings.only_left]
    for some in rows.batches(hosts):
        connection.execute(delete(t.nodes).where(t.nodes.c.host.in_(some)))


def change_owner(connection: Connection, name: str, change: OwnerChange) -> Owner:
    """Change an owner's settings; one who has had no job yet is fine."""
    mark = _next_mark(connection)
    values = {"task_limit" if key == "limit" else key: value for key, value in change.values.items()}
    known = connection.execute(update(t.owners).where(t.owners.c.name == name).values(**values, changed=mark))
    if known.rowcount == 0:
        connection.execute(insert(t.owners).values(name=name, used=0.0, **{"weight": 1.0, **values}, changed=mark))
    return next(owner for owner in load_owners(connection) if owner.name == name)


def no_such(kind: str, name: str, known: Sequence[str]) -> NotFoundError:
    """Suggests the nearest and lists what there is."""
    return NotFoundError(str(unknown_name(kind, name, list(known))))


def _drain(connection: Connection, name: str, seat: str, drain: Drain | None) -> Node:
    if not seat:
        return _change(connection, name, {"drain": drain.to_json() if drain else null()})
    node = _locked(connection, name)
    seats = {key: value.to_json() for key, value in node.settings.seats.items() if key != seat}
    return _change(connection, name, {"seats": {**seats, seat: drain.to_json()} if drain else seats})


def _change(connection: Connection, name: str, values: Mapping[str, Any]) -> Node:
    host = _locked(connection, name).host
    if values:
        changed = {**values, "changed": _next_mark(connection)}
        connection.execute(update(t.nodes).where(t.nodes.c.host == host).values(**changed))
    return _locked(connection, host)


def _locked(connection: Connection, name: str) -> Node:
    """By the host's name or the id of its present incarnation; no other settings are changed until this is done."""
    _lock(connection)
    found = connection.execute(select(t.nodes).where((t.nodes.c.host == name) | (t.nodes.c.id == name))).first()
    if found is None:
        raise no_such("node", name, connection.execute(select(t.nodes.c.host)).scalars().all())
    return _node(found, last_look(connection))


def _lock(connection: Connection) -> None:
    """One writer of settings at a time, so that marks appear in their order; SQLite has one anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE"))


def _next_mark(connection: Connection) -> int:
    _lock(connection)
    marks = (connection.execute(select(func.max(table.c.changed))).scalar() for table in (t.nodes, t.owners))
    return max(mark or 0 for mark in marks) + 1


def _node(row: rows.AnyRow, looked: datetime | None = None) -> Node:
    settings = NodeSettings(
        row.host,
        Drain.of_json(row.drain) if row.drain else None,
        {seat: Drain.of_json(values) for seat, values in row.seats.items()},
        tuple(row.labels),
        Hours.parse(row.hours),
        row.max_replicas,
    )
    facts = NodeFacts(
        row.host,
        row.id,
        row.address,
        NodeState(row.state),
        row.message,
        row.cores,
        row.memory,
        tuple(row.devices),
        NodeReport.of_json(row.report),
    )
    there = facts.state is NodeState.UP
    return Node(settings, facts, rows.later(row.seen_at, looked) if there else row.seen_at)
