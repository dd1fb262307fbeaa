"""Commands for what a job has made: its video, also while it grows, and its logs."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import JobId, Token, Url, connect, find
from farm.errors import LISTED_NAMES, InputError, NotFoundError
from farm.jobs.names import VIDEO, decode_name, section_name

if TYPE_CHECKING:
    from farm.client import FarmClient

FOLLOW_SECONDS = 1.0
"""Time between two looks at logs that grow."""


def fetch(
    job: JobId,
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: the job's name, here.")
    ] = None,
    what: Annotated[str, typer.Option(help="video, video-1 ... of several, contact_sheet, image or manifest.")] = VIDEO,
    partial: Annotated[
        bool, typer.Option("--partial", help="What is finished of a video that is not, as MP4.")
    ] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Download a finished video, or what is finished of it.

    Example: farm fetch 3f2a -o dance.mp4
    """
    if partial and what != VIDEO:
        raise InputError("--partial is for the video; leave out --what.")
    with connect(url, token) as client:
        detail = client.job(find(client, job))
        job_id = detail["job"]["id"]
        found = next((a for a in detail["artifacts"] if a["name"] == what), None)
        if found is None and partial:
            path = client.download_partial(job_id, to or Path(f"{job_id[: output.SHORT]}-partial.mp4"))
        elif found is None:
            names = [a["name"] for a in detail["artifacts"]]
            more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
            have = ", ".join(names[:LISTED_NAMES]) or "nothing yet"
            state = detail["job"]["state"]
            raise NotFoundError(f"job {job_id[: output.SHORT]} ({state}) has no {what}; it has: {have}{more}")
        else:
            path = client.download(job_id, to or Path(found["filename"]), what)
    output.console().print(str(path), markup=False, soft_wrap=True)


def logs(
    job: JobId,
    section: Annotated[int | None, typer.Option(min=0, help="Only this section's, from 0.")] = None,
    tail: Annotated[int | None, typer.Option(min=1, help="Only so many last lines of each attempt.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Print the log of each attempt at a job's tasks, with the traceback of what went wrong.

    Example: farm logs 3f2a --section 4
    """
    from farm.jobs.records import ENDED

    if follow and tail is not None:
        raise InputError("--follow and --tail exclude each other.")
    with connect(url, token) as client:
        job_id = find(client, job)
        reader = _Reader(client, job_id, section, tail)
        ended = False
        while True:
            detail = client.job(job_id)
            reader.read(detail)
            if not follow or ended:
                break
            ended = detail["job"]["state"] in ENDED  # its last lines may come a moment later
            time.sleep(FOLLOW_SECONDS)
    if not reader.seen:
        of = "" if section is None else f" of section {section}"
        raise NotFoundError(
            f"job {job_id[: output.SHORT]} ({detail['job']['state']}) has no log{of}: nothing has been tried yet."
        )


class _Reader:
    """Prints what is new of a job's logs."""

    def __init__(self, client: "FarmClient", job_id: str, section: int | None, tail: int | None) -> None:
        self._client, self._job_id, self._tail = client, job_id, tail
        self._names = None if section is None else (section_name(section), decode_name(section))
        self._known: dict[str, int] = {}
        self._last = ""
        self.seen = False

    def read(self, detail: Mapping[str, Any]) -> None:
        """All attempts of ``GET /jobs/{id}``'s answer, in the order in which they began."""
        names = {task["id"]: task["name"] for task in detail["tasks"]}
        for attempt in sorted(detail["attempts"], key=lambda each: (each["started_at"], each["id"])):
            if self._names is None or names[attempt["task_id"]] in self._names:
                self._attempt(names[attempt["task_id"]], attempt)

    def _attempt(self, task: str, attempt: Mapping[str, Any]) -> None:
        self.seen = True
        known = self._known.get(attempt["id"])
        try:
            new = self._client.log(self._job_id, attempt["id"], start=known or 0, tail=self._tail)
        except NotFoundError:
            new = b""
        if not new and (known is not None or attempt["state"] == "running"):
            return
        if self._last != attempt["id"]:
            typer.echo(f"== {task}, attempt {attempt['number']} on {attempt['place']}: {attempt['state']} ==")
            self._last = attempt["id"]
        typer.echo(new.decode(errors="replace") if new else "no log\n", nl=False)
        self._known[attempt["id"]] = (known or 0) + len(new)
