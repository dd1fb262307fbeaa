"""What is done to jobs, one or many: cancel, pause, resume, retry, delete."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect, find
from farm.cli.groups import takes
from farm.errors import FarmError, InputError, NotFoundError

if TYPE_CHECKING:
    from farm.client import FarmClient

DONE = {"cancel": "cancelled", "pause": "paused", "resume": "goes on", "retry": "is tried again", "delete": "deleted"}

EXAMPLES = {"cancel": "pending", "pause": "running", "resume": "paused", "retry": "failed", "delete": "cancelled"}


class Chosen:
    """Which jobs a command is for."""

    job: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Their ids, or enough of the beginning of each.")
    ] = None
    state: Annotated[str | None, typer.Option(help="All in this state, at most 500.")] = None
    batch: Annotated[str | None, typer.Option(help="All of this batch to which it can be done.")] = None
    owner: Annotated[str | None, typer.Option(help="With --state: only this owner's.")] = None
    url: Url = None
    token: Token = None
    as_json: AsJson = False


@takes(Chosen)
def cancel(given: Mapping[str, Any]) -> None:
    """Stop jobs; finished sections are kept, so `farm retry` goes on from them.

    Example: farm cancel 3f2a 77c0
    """
    act("cancel", given)


@takes(Chosen)
def pause(given: Mapping[str, Any]) -> None:
    """Start no more sections of these jobs; those being rendered are finished.

    Example: farm pause --state pending
    """
    act("pause", given)


@takes(Chosen)
def resume(given: Mapping[str, Any]) -> None:
    """Let paused jobs go on.

    Example: farm resume --state paused
    """
    act("resume", given)


@takes(Chosen)
def retry(given: Mapping[str, Any]) -> None:
    """Try failed or cancelled jobs again; finished sections are kept.

    Example: farm retry --state failed
    """
    act("retry", given)


@takes(Chosen)
def delete(
    given: Mapping[str, Any], yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Remove ended jobs with all their files.

    Example: farm delete --state cancelled
    """

    def ask(ids: list[str]) -> None:
        what = f"{ids[0][: output.SHORT]} and its video" if len(ids) == 1 else f"{len(ids)} jobs and their videos"
        typer.confirm(f"Delete {what}?", abort=True)

    act("delete", given, None if yes else ask)


def act(action: str, given: Mapping[str, Any], ask: "Callable[[list[str]], None] | None" = None) -> None:
    """Do something to the jobs that the options of ``Chosen`` name; FarmError when it could be done to none of them.

    ``ask``: called with their ids before.
    """
    with connect(given["url"], given["token"]) as client:
        ids = chosen(client, given, action)
        if ask is not None and (possible := client.act(action, ids, check=True)["done"]):
            ask(possible)
        answer = client.act(action, ids)
    if given["as_json"]:
        output.print_json(answer)
    else:
        for job_id in answer["done"]:
            output.console().print(f"{job_id[: output.SHORT]}: {DONE[action]}", markup=False)
        for refused in answer["refused"] if answer["done"] else ():
            typer.echo(f"not done: {refused['message']}", err=True)
    if not answer["done"]:
        raise FarmError("; ".join(refused["message"].rstrip(".") for refused in answer["refused"][:3]) + ".")


def chosen(client: "FarmClient", given: Mapping[str, Any], action: str) -> list[str]:
    """The ids of the jobs that are named, or of all in the ``--state`` and of the ``--owner``.

    Raises:
        InputError: none is named, or both ways are used.
        NotFoundError: there are none.
    """
    from farm.jobs.bulk import FITTING, Action

    if given["job"] and (given["state"] or given["owner"] or given["batch"]):
        raise InputError("name jobs, or choose them with --state, --batch and --owner; not both.")
    if given["job"]:
        return [find(client, job) for job in given["job"]]
    if not given["state"] and not given["batch"]:
        raise InputError(f"name the jobs to {action}, or choose them, such as with --state {EXAMPLES[action]}.")
    states = [given["state"]] if given["state"] else [state.value for state in FITTING[Action(action)]]
    found = client.rows(state=states, owner=given["owner"], batch=given["batch"], limit=500)
    if not found["rows"]:
        where = f" of batch {given['batch']}" if given["batch"] else ""
        raise NotFoundError(f"no job{where} is {' or '.join(states)}.")
    return [job["id"] for job in found["rows"]]
