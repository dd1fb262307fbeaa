"""Jobs of a running farm: all, one, and one as it goes on."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, JobId, Token, Url, connect, find
from farm.cli.following import follow_job


def jobs(
    state: Annotated[str | None, typer.Option(help="pending, running, paused, completed, failed or cancelled.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    search: Annotated[str | None, typer.Option(help="Words of the prompt or name.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only those of this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    Example: farm jobs --state failed
    """
    with connect(url, token) as client:
        asked: dict[str, Any] = {"state": state, "owner": owner, "text": search, "batch": batch, "limit": limit}
        if as_json:
            output.print_json(client.jobs(**asked))
            return
        answer = client.rows(**asked)
    console = output.console()
    wide = console.width >= output.NARROW
    columns = ("Job!", "State!", "Done!>", "Place!>", "Left!>", "Created!", "Name or prompt!")
    table = output.table(*columns[:-1], *(("Length!>", "Took!>") if wide else ()), columns[-1])
    for job in answer["rows"]:
        more = (_length(job), output.took(job["took"])) if wide else ()
        table.add_row(
            job["id"][: output.SHORT],
            output.state(job["state"]),
            f"{job['progress']:.0%}",
            str((job["outlook"] or {}).get("place") or ""),
            output.ahead(job["outlook"]),
            output.clock(job["created_at"]) if wide else output.moment(job["created_at"]),
            *more,
            _short(job["name"] or job["prompt"]),
        )
    none = (
        "No such jobs."
        if state or owner or search or batch
        else "No jobs. Queue one with `farm submit IMAGE --prompt ...`."
    )
    console.print(table if answer["rows"] else none)
    if answer["total"] > len(answer["rows"]) > 0:
        console.print(f"{len(answer['rows'])} of {answer['total']}; see more with --limit.")


def show(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show a job: what was asked, its section timeline, attempts and files.

    Example: farm show 3f2a
    """
    with connect(url, token) as client:
        detail = client.job(find(client, job))
    if as_json:
        output.print_json(detail)
        return
    from farm.cli.timeline import print_job

    print_job(output.console(), detail)


def watch(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Follow a job until it ends; exits with 0 only when it completed.

    With --json prints one line of JSON per event. Example: farm watch 3f2a
    """
    with connect(url, token) as client:
        follow_job(client, find(client, job), as_json)


def _length(job: Mapping[str, Any]) -> str:
    """Of the video; nothing where an early version did not note it."""
    return f"{round(job['seconds'], 1):g} s" if job["seconds"] else ""


def _short(text: str, limit: int = 48) -> str:
    """Of one line, as markup that shows it as it is."""
    text = " ".join(text.split())
    return output.plain(text if len(text) <= limit else f"{text[: limit - 1]}…")
