"""Owners: whose jobs they are, what share of the farm each has, and what each has used."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from . import tables as t


@dataclass(frozen=True)
class Owner:
    """``weight``: of the share, against others'; ``used``: work done for them over their weight; ``limit``: most tasks
    at a time, None for no limit."""

    name: str
    weight: float = 1.0
    used: float = 0.0
    limit: int | None = None


def load_owners(connection: Connection) -> list[Owner]:
    """All that are known."""
    rows = connection.execute(select(t.owners).order_by(t.owners.c.name)).all()
    return [Owner(row.name, row.weight, row.used, row.task_limit) for row in rows]


def put_owners(connection: Connection, known: Sequence[Owner]) -> None:
    """Write what they have used; the rest is only written of those that are new."""
    for owner in known:
        where = t.owners.c.name == owner.name
        if connection.execute(update(t.owners).where(where).values(used=owner.used)).rowcount == 0:
            values = {"weight": owner.weight, "used": owner.used, "task_limit": owner.limit}
            connection.execute(insert(t.owners).values(name=owner.name, **values))
