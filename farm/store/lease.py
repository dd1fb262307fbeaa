"""The lease on a database: one farm works on it at a time, and a later holder has a higher number."""

from datetime import timedelta

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from farm.errors import ConflictError

from . import rows
from . import tables as t

NAME = "coordinator"
SECONDS = 30.0
"""A holder that has not renewed it for so long has lost it."""


def take_lease(connection: Connection, holder: str, about: str) -> int:
    """Have the lease, or go on having it; its fencing number, which grows with each new holder.

    Args:
        connection: in a transaction.
        holder: who; the same after a restart.
        about: the holder in words, for others.

    Raises:
        ConflictError: another one has it.
    """
    moment = rows.now()
    until = moment + timedelta(seconds=SECONDS)
    mine = t.leases.c.name == NAME
    row = connection.execute(select(t.leases).where(mine).with_for_update()).first()
    if row is None:
        values = {"name": NAME, "holder": holder, "about": about, "fence": 1, "until": until}
        try:
            with connection.begin_nested():
                connection.execute(insert(t.leases).values(**values))
        except IntegrityError:
            raise ConflictError("another farm has just begun to work on this database; try again.") from None
        return 1
    if row.holder != holder and row.until > moment:
        raise ConflictError(
            f"this database is in use by another farm, {row.about}; stop that one with `farm down`, or give this one a "
            "database of its own with FARM_DATABASE_URL."
        )
    fence = int(row.fence) + (row.holder != holder)
    same = mine & (t.leases.c.fence == row.fence) & (t.leases.c.holder == row.holder)
    changed = connection.execute(
        update(t.leases).where(same).values(holder=holder, about=about, fence=fence, until=until)
    )
    if changed.rowcount != 1:
        raise ConflictError("another farm has just begun to work on this database; try again.")
    return fence


def drop_lease(connection: Connection, holder: str) -> None:
    """Let others have it at once."""
    mine = (t.leases.c.name == NAME) & (t.leases.c.holder == holder)
    connection.execute(update(t.leases).where(mine).values(until=rows.now()))
