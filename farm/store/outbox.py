"""The outbox: what people are to be told, until they have been. Each function is one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from . import tables as t
from .rows import now

PAUSES = (10, 60, 300, 1800, 7200)
"""Seconds after each try that failed; after the last of them nobody tries again."""
MARK = "notices"
OVERLAP, LATE = 1000, timedelta(seconds=10)
"""Lines of history may appear out of order where several processes write: so many are looked at again, and none that is
older."""
AT_ONCE = 500
KEPT = timedelta(days=30)

Happened = list[dict[str, str]]
Wanted = Sequence[tuple[str, Mapping[str, str]]]
"""Names of rules with what each is told."""


@dataclass(frozen=True)
class Delivery:
    """What one rule is told. ``state``: ``waiting``, ``sent`` or ``failed``."""

    key: str
    rule: str
    notice: dict[str, str]
    state: str
    tries: int
    message: str
    created_at: datetime
    sent_at: datetime | None


def collect_events(connection: Connection, kinds: Sequence[str], deliveries: Callable[[Happened], Wanted]) -> None:
    """Put what was written into jobs' histories since the last time into the outbox, for all that want it.

    Args:
        kinds: of events.
        deliveries: who wants what of that.

    The first time nothing is: what was before is no news.
    """
    event = t.events.c
    newest = connection.execute(select(func.max(event.id))).scalar() or 0
    mark = connection.execute(select(t.marks.c.value).where(t.marks.c.name == MARK)).scalar()
    if mark is None:
        connection.execute(insert(t.marks).values(name=MARK, value=newest, at=now()))
        return
    began = connection.execute(select(t.marks.c.at).where(t.marks.c.name == MARK)).scalar_one()
    late = (event.id > mark - OVERLAP) & (event.at > max(began, now() - LATE))
    query = (
        select(event.id, event.kind, event.at, event.message, t.jobs.c.id.label("job"), t.jobs.c.name, t.jobs.c.owner)
        .add_columns(t.jobs.c.state)
        .join(t.jobs, t.jobs.c.id == event.job_id)
        .where(event.kind.in_(kinds), (event.id > mark) | late)
        .order_by(event.id)
        .limit(AT_ONCE)
    )
    found = connection.execute(query).all()
    put_deliveries(connection, deliveries([_happened(row) for row in found]))
    reached = found[-1].id if len(found) == AT_ONCE else newest
    connection.execute(update(t.marks).where(t.marks.c.name == MARK).values(value=max(mark, reached)))


def forget_old(connection: Connection) -> None:
    """Remove what was told long ago."""
    connection.execute(delete(t.deliveries).where(t.deliveries.c.created_at < now() - KEPT))


def has_news(connection: Connection) -> bool:
    """Whether anything was written since the last time, or nothing was ever collected."""
    newest = connection.execute(select(func.max(t.events.c.id))).scalar() or 0
    mark = connection.execute(select(t.marks.c.value).where(t.marks.c.name == MARK)).scalar()
    return mark is None or newest > mark


def put_deliveries(connection: Connection, wanted: Wanted) -> None:
    """Put these into the outbox, each once."""
    made = {f"{notice['key']}>{rule}": (rule, notice) for rule, notice in wanted}
    known = select(t.deliveries.c.key).where(t.deliveries.c.key.in_(made))
    there = set(connection.execute(known).scalars()) if made else set()
    moment = now()
    for key, (rule, notice) in made.items():
        if key not in there:
            values = {"state": "waiting", "tries": 0, "message": "", "created_at": moment, "due_at": moment}
            connection.execute(insert(t.deliveries).values(key=key, rule=rule, notice=dict(notice), **values))


def due_deliveries(connection: Connection, limit: int) -> list[Delivery]:
    """What should be sent now, the oldest first."""
    column = t.deliveries.c
    query = select(t.deliveries).where(column.state == "waiting", column.due_at <= now()).order_by(column.due_at)
    return [_delivery(row) for row in connection.execute(query.limit(limit))]


def newest_deliveries(connection: Connection, limit: int) -> list[Delivery]:
    """What people were told or are to be told, the newest first."""
    query = select(t.deliveries).order_by(t.deliveries.c.created_at.desc(), t.deliveries.c.key).limit(limit)
    return [_delivery(row) for row in connection.execute(query)]


def note_delivery(connection: Connection, key: str, failure: str, final: bool = False) -> None:
    """Note that it was sent, or why not; then it is tried again later, unless that is ``final``."""
    tries = (connection.execute(select(t.deliveries.c.tries).where(t.deliveries.c.key == key)).scalar() or 0) + 1
    values: dict[str, Any] = {"tries": tries, "message": failure[:500]}
    if not failure:
        values |= {"state": "sent", "sent_at": now()}
    elif final or tries > len(PAUSES):
        values |= {"state": "failed"}
    else:
        values |= {"due_at": now() + timedelta(seconds=PAUSES[tries - 1])}
    connection.execute(update(t.deliveries).where(t.deliveries.c.key == key).values(**values))


def _happened(row: Any) -> dict[str, str]:
    return {
        "key": f"{row.kind}:{row.id}",
        "event": row.kind,
        "at": row.at.isoformat(timespec="milliseconds"),
        "message": row.message,
        "job": row.job,
        "name": row.name,
        "owner": row.owner,
        "state": row.state,
    }


def _delivery(row: Any) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    return Delivery(**values)
