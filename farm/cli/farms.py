"""Which farm a command means, and which job of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from farm.errors import InputError

if TYPE_CHECKING:
    from farm.client import FarmClient

Url = Annotated[
    str | None, typer.Option("--url", envvar="FARM_URL", help="Where the farm is; default: the one on this machine.")
]

Token = Annotated[
    str | None,
    typer.Option("--token", envvar="FARM_TOKEN", help="Access token; default: the one in FARM_HOME.", show_envvar=True),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

Here = Annotated[bool, typer.Option("--here", help="What this machine has, whatever farm runs.")]

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or enough of its beginning.")]


@contextmanager
def connect(url: str | None, token: str | None) -> "Iterator[FarmClient]":
    """A client for the farm meant by the options, else the one that runs on this machine.

    Raises:
        ClusterError: none answers; says why, if the farm of this home knows.
    """
    from farm.client import FarmClient
    from farm.errors import ClusterError
    from farm.service.state import explain_silence, running_url
    from farm.settings import Settings

    settings = Settings.from_environment()
    if token is None:
        token = settings.token_path.read_text().strip() if settings.token_path.is_file() else ""
    address = url or running_url(settings) or settings.url
    with FarmClient(address, token) as client:
        try:
            yield client
        except ClusterError as error:
            if why := explain_silence(settings, address.rstrip("/")):
                raise ClusterError(f"no farm answers at {address}: {why}") from error
            raise


@contextmanager
def described(url: str | None, token: str | None, here: bool) -> "Iterator[FarmClient | None]":
    """Whom a command describes: the farm that is named, else the one that runs on this machine; None: this machine
    itself, where none runs or ``here`` asks for it. Says on stderr which."""
    from farm.service.state import read_state
    from farm.settings import Settings

    if here and is_typed(url):
        raise InputError("--here and --url exclude each other.")
    settings = Settings.from_environment()
    url, state = (None, None) if here else (url, read_state(settings))
    if not url and state is None:
        yield None
        typer.echo(f"(of this machine; FARM_HOME is {settings.home})", err=True)
        return
    with connect(url, token) as client:
        yield client
        typer.echo(f"(of the farm at {client.base_url})", err=True)


def is_typed(url: str | None) -> bool:
    """Whether ``--url`` stands on the command line; ``FARM_URL`` gives it too, but forbids nothing."""
    return bool(url) and url != os.environ.get("FARM_URL")


def find(client: "FarmClient", prefix: str) -> str:
    """The id of the one job that begins with ``prefix``. NotFoundError and InputError say what to do."""
    from farm.errors import NotFoundError

    if not prefix.strip():
        raise InputError("a job's id is empty; `farm jobs` lists them")
    found = client.rows(begins=prefix, limit=6)
    matches = [job["id"] for job in found["rows"]]
    if prefix in matches:
        return prefix
    if not matches:
        raise NotFoundError(f"no job begins with {prefix!r}; `farm jobs` lists them")
    if len(matches) > 1:
        raise InputError(
            f"{prefix!r} could be {', '.join(match[: len(prefix) + 4] for match in matches)}; give more of it"
        )
    return matches[0]
