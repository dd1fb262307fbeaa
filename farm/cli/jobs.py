"""Commands that talk to a running farm about its jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import media, options, output
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


def submit(
    context: typer.Context,
    image: media.Image = None,
    prompt: media.Prompt = None,
    seconds: options.Seconds = None,
    preset: options.Preset = None,
    model: options.Model = None,
    order: options.Order = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    sampler: options.Sampler = None,
    cache: options.Cache = None,
    resolution: options.Resolution = None,
    output_fps: options.OutputFps = None,
    motion_bias: options.MotionBias = None,
    consistency_boost: options.ConsistencyBoost = None,
    tail: options.Tail = None,
    exact_length: options.ExactLength = False,
    end_image: media.EndImage = None,
    end_strength: media.EndStrength = None,
    keyframe: media.Keyframes = None,
    extend: media.Extend = None,
    extend_at: media.ExtendAt = None,
    extend_output: media.ExtendOutput = None,
    exporter: options.Exporter = None,
    name: Annotated[str | None, typer.Option(help="A name for lists and files.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 100; higher goes first.")] = None,
    lora: options.Loras = None,
    label: options.Labels = None,
    from_: options.From = None,
    set_: options.Fields = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Sending twice with one key makes one job.")
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Queue a video on a running farm and print the job's id.

    Example: farm submit dancer.png -p "The puppet dances" -s 10 --preset dance --watch
    """
    files, found = media.read_media(image, end_image, keyframe, extend, extend_at)
    fields = options.request_fields(context.params) | found
    with connect(url, token) as client:
        for note in () if as_json else client.check(files, fields)["notes"]:
            typer.echo(f"note: {note}", err=True)
        job = client.submit(files, fields, key)
        if as_json:
            output.print_json(job)
        elif follow:
            output.console().print(job["id"], markup=False)
            follow_job(client, job["id"])
        else:
            output.console().print(job["id"], markup=False)


def jobs(
    state: Annotated[str | None, typer.Option(help="pending, running, paused, completed, failed or cancelled.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    search: Annotated[str | None, typer.Option(help="Words of the prompt or name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    Example: farm jobs --state failed
    """
    with connect(url, token) as client:
        answer = client.jobs(state=state, owner=owner, text=search, limit=limit)
    if as_json:
        output.print_json(answer)
        return
    table = output.table(
        "Job", "State", "Progress>", "Place>", "Left>", "Length>", "Created", "Took>", "Name or prompt"
    )
    for job in answer["jobs"]:
        request = job["request"]
        table.add_row(
            job["id"],
            output.state(job["state"]),
            f"{job['progress']:.0%}",
            str((job["outlook"] or {}).get("place") or ""),
            output.ahead(job["outlook"]),
            f"{request['total_second_length']:g} s",
            output.clock(job["created_at"]),
            output.duration(job["started_at"], job["finished_at"]),
            _short(request["name"] or request["prompt"]),
        )
    console = output.console()
    console.print(table if answer["jobs"] else "No jobs. Queue one with `farm submit IMAGE --prompt ...`.")
    if answer["total"] > len(answer["jobs"]) > 0:
        console.print(f"{len(answer['jobs'])} of {answer['total']}; see more with --limit.")


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
    output.console().print(f"{changed['id']}: {said}", markup=False, highlight=False)


def _said(value: object) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


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


def cancel(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Stop a job; finished sections are kept, so `farm retry` goes on from them."""
    _act("cancel", job, url, token, as_json)


def pause(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Start no more sections of a job; those being rendered are finished."""
    _act("pause", job, url, token, as_json)


def resume(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Let a paused job go on."""
    _act("resume", job, url, token, as_json)


def retry(job: JobId, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Try a failed or cancelled job again; finished sections are kept."""
    _act("retry", job, url, token, as_json)


def delete(
    job: JobId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Remove an ended job with all its files."""
    with connect(url, token) as client:
        job_id = find(client, job)
        if not yes:
            typer.confirm(f"Delete {job_id} and its video?", abort=True)
        client.delete(job_id)
    output.console().print(f"deleted {job_id}", markup=False)


def fetch(
    job: JobId,
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default: the job's name, here.")
    ] = None,
    what: Annotated[str, typer.Option(help="video, contact_sheet, image or manifest.")] = "video",
    url: Url = None,
    token: Token = None,
) -> None:
    """Download a finished video.

    Example: farm fetch 3f2a -o dance.mp4
    """
    from farm.errors import NotFoundError

    with connect(url, token) as client:
        detail = client.job(find(client, job))
        job_id = detail["job"]["id"]
        found = next((a for a in detail["artifacts"] if a["name"] == what), None)
        if found is None:
            have = ", ".join(a["name"] for a in detail["artifacts"]) or "nothing yet"
            raise NotFoundError(f"job {job_id} ({detail['job']['state']}) has no {what}; it has: {have}")
        path = client.download(job_id, to or Path(found["filename"]), what)
    output.console().print(str(path), markup=False, soft_wrap=True)


def token(
    node: Annotated[bool, typer.Option("--node", help="The one with which other machines join.")] = False,
) -> None:
    """Print the access token of this machine's farm (made on first use)."""
    from farm.settings import Settings
    from farm.tokens import ensure_token

    settings = Settings.from_environment()
    output.console().print(ensure_token(settings.node_token_path if node else settings.token_path), markup=False)


def find(client: "FarmClient", prefix: str) -> str:
    """The id of the one recent job that begins with ``prefix``. NotFoundError and InputError say what to do."""
    from farm.errors import InputError, NotFoundError

    matches = [j["id"] for j in client.jobs(limit=500)["jobs"] if j["id"].startswith(prefix)]
    if prefix in matches or not matches:
        if not matches and len(prefix) < 12:
            raise NotFoundError(f"no job begins with {prefix!r}; `farm jobs` lists them")
        return prefix
    if len(matches) > 1:
        raise InputError(f"{prefix!r} could be {', '.join(matches[:5])}; give more of the id")
    return matches[0]


def follow_job(client: "FarmClient", job_id: str, as_json: bool = False) -> None:
    """Show live progress until the job ends; FarmError when it failed or was cancelled."""
    from farm.errors import CancelledError, FarmError

    state, error = "", ""
    if as_json:
        import json
        import sys

        for message in client.events(job_id):
            sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            state, error = message["data"].get("state", state), message["data"].get("error", error)
    else:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = output.console()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
            row = bar.add_task("waiting", total=1.0)
            for message in client.events(job_id):
                data = message["data"]
                if message["event"] in ("progress", "end"):
                    state, error = data["state"], data["error"]
                    done, total = data["sections_done"], data["sections"]
                    bar.update(row, completed=data["progress"], description=f"{state}, {done} of {total} sections")
                else:
                    bar.console.print(f"{output.clock(data['at'])}  {data['message']}", markup=False)
    if state == "failed":
        raise FarmError(
            f"job {job_id} failed: {error or 'see `farm show`'}; `farm retry {job_id}` keeps what is finished"
        )
    if state == "cancelled":
        raise CancelledError(f"job {job_id} was cancelled")


def _act(action: str, job: str, url: str | None, token: str | None, as_json: bool) -> None:
    with connect(url, token) as client:
        answer = getattr(client, action)(find(client, job))
    if as_json:
        output.print_json(answer)
    else:
        output.console().print(f"{answer['id']} is {output.state(answer['state'])}")


def _short(text: str, limit: int = 60) -> str:
    from rich.markup import escape

    text = " ".join(text.split())
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")
