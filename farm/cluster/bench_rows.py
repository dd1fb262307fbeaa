"""Rows that this process writes, counted by what is done to which table."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

Written = Counter[str]
"""Rows by statement, such as ``update attempts``."""


@contextmanager
def counted() -> Iterator[Written]:
    """Count the rows that are inserted, changed and removed from now on."""
    written: Written = Counter()

    def add(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if context is not None and (context.isinsert or context.isupdate or context.isdelete):
            written[_name(context)] += max(0, cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", add)
    try:
        yield written
    finally:
        event.remove(Engine, "after_cursor_execute", add)


def _name(context: Any) -> str:
    does = "insert" if context.isinsert else "update" if context.isupdate else "delete"
    table = getattr(getattr(context.compiled, "statement", None), "table", None)
    return f"{does} {table.name}" if table is not None else does
