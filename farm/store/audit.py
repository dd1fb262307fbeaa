"""Who changed what, and when: one line for each request that was let in and was no mere question."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from . import tables as t
from .rows import now

KEPT = timedelta(days=365)


@dataclass(frozen=True)
class AuditLine:
    """``who`` did ``what``, such as ``POST /api/v1/jobs/3f2a/cancel``, and was answered with ``status``."""

    at: datetime
    who: str
    role: str
    what: str
    status: int


def put_line(connection: Connection, who: str, role: str, what: str, status: int) -> None:
    """Note it."""
    connection.execute(insert(t.audit).values(at=now(), who=who, role=role, what=what[:300], status=status))


def forget_old(connection: Connection) -> None:
    """Remove lines that are older than a year."""
    connection.execute(delete(t.audit).where(t.audit.c.at < now() - KEPT))


def newest_lines(connection: Connection, limit: int, who: str | None = None) -> list[AuditLine]:
    """The newest first."""
    query = select(t.audit).order_by(t.audit.c.id.desc()).limit(limit)
    if who is not None:
        query = query.where(t.audit.c.who == who)
    return [AuditLine(row.at, row.who, row.role, row.what, row.status) for row in connection.execute(query)]
