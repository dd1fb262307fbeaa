"""Changing a job that waits: its name, when its turn comes, where it may run."""

from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import JobId, Token, Url, connect, find
from farm.errors import InputError


def change(
    job: JobId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=100, help="Higher goes first.")] = None,
    deadline: Annotated[
        str | None, typer.Option(help="When it should be done: 18:30 (the next), 2026-12-01T08:00, +90m, +4h, or none.")
    ] = None,
    mixing: Annotated[
        bool | None,
        typer.Option("--mix-devices/--one-device-class", help="Let several kinds of devices render its sections."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Only nodes with this label go on with it; may be repeated."),
    ] = None,
    no_label: Annotated[bool, typer.Option("--no-label", help="Any node may.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Change a job's name or place in the queue; nothing is rendered again.

    Example: farm change 3f2a --priority 80 --deadline +2h
    """
    values: dict[str, Any] = {"name": name, "priority": priority, "mixing": mixing}
    if label and no_label:
        raise InputError("--label and --no-label exclude each other.")
    values["labels"] = [] if no_label else label or None
    values = {field: value for field, value in values.items() if value is not None}
    if deadline is not None:
        values["deadline"] = read_moment(deadline)
    if not values:
        raise InputError("there is nothing to change; see `farm change --help`.")
    with connect(url, token) as client:
        changed = client.change(find(client, job), **values)
    said = ", ".join(f"{field} {_said(changed[field])}" for field in values)
    output.console().print(f"{changed['id'][: output.SHORT]}: {said}", markup=False, highlight=False)


def move(
    job: JobId,
    to: Annotated[str, typer.Argument(metavar="first|last|JOB", help="Where to: JOB is the one that it goes before.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Put a job to another place in the queue, among its owner's.

    Example: farm move 3f2a first
    """
    with connect(url, token) as client:
        moved = client.move(find(client, job), to if to in ("first", "last") else find(client, to))
        after = client.job(moved["id"])["job"]
    place = (after["outlook"] or {}).get("place")
    output.console().print(
        f"{moved['id'][: output.SHORT]}: priority {moved['priority']}" + (f", place {place}" if place else "")
    )


def read_moment(text: str) -> str | None:
    """A moment as ISO 8601 with its zone; None for ``none``. Without a zone it is this machine's time.

    Raises:
        InputError: it is none.
    """
    import re
    from datetime import datetime, timedelta

    now = datetime.now().astimezone()
    word = text.strip().lower()
    if word == "none":
        return None
    if match := re.fullmatch(r"\+(\d{1,6})([mhd])", word):
        units = {"m": "minutes", "h": "hours", "d": "days"}
        return (now + timedelta(**{units[match[2]]: int(match[1])})).isoformat()
    try:
        if match := re.fullmatch(r"(\d{1,2}):(\d{2})", word):
            at = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
            return (at if at > now else at + timedelta(days=1)).isoformat()
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"--deadline {text!r}: expected 18:30, 2026-12-01T08:00, +90m, +4h, +2d, or none to remove it."
        ) from None
    return (moment if moment.tzinfo else moment.astimezone()).isoformat()


def _said(value: object) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)
