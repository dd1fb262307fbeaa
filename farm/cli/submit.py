"""``farm submit``: one video, or a batch of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import options, output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.cli.following import follow_job
from farm.cli.groups import takes
from farm.errors import InputError
from farm.units import counted

if TYPE_CHECKING:
    from model.footage.media import Media


@takes(options.Video)
def submit(
    given: Mapping[str, Any],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="More start images: each makes a job of its own.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", metavar="FILE", help="Prompts, one a line: each makes jobs of its own.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="So many seeds of each, drawn.")] = 1,
    sweep: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=A,B,...", help="Each value of a field, such as steps=10,25; repeat for a grid."),
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Name of the batch; default: drawn.")] = None,
    name: Annotated[str | None, typer.Option(help="A name for lists and files.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 100; higher goes first.")] = None,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Sending twice with one key makes one job.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Queue nothing: check it, and say when it would be done.")
    ] = False,
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Queue a video on a running farm and print the job's id; of many images, prompts, seeds or values one video each.

    Without a seed, one is drawn for each video.

    Example: farm submit dancer.png -p "The puppet dances" -s 10 --preset dance --watch

    Example: farm submit *.png -p "The puppet dances" --seeds 3 --sweep gs=6,10
    """
    asked = {**given, "name": name, "priority": priority, "prompts": read_prompts(prompts), "batch": batch}
    jobs = list(wanted(asked, more or (), seeds, sweep or ()))
    if len(jobs) > 1 and (follow or key or dry_run):
        raise InputError("--watch, --dry-run and --idempotency-key are for one job; this makes several.")
    if dry_run and follow:
        raise InputError("--dry-run queues nothing that --watch could follow; choose one.")
    with connect(url, token) as client:
        if dry_run:
            files, _, fields = jobs[0]
            _tell_check(client.check(files, fields), as_json)
            return
        made: list[dict[str, Any]] = []
        told: set[str] = set()
        for files, picture, fields in jobs:
            media = files if picture is None else replace(files, image=options.read_image(picture))
            made.append(client.submit(media, fields, key))
            if not as_json:
                _tell(made[-1], told)
        if as_json:
            output.print_json(made[0] if len(made) == 1 else made)
        elif len(made) > 1:
            called = made[0]["batch"]
            typer.echo(f"{len(made)} jobs of {called}; `farm jobs --batch {called}` lists them", err=True)
        else:
            _tell_more(client.job(made[0]["id"]))
            if follow:
                follow_job(client, made[0]["id"])


def wanted(
    asked: Mapping[str, Any], more: Sequence[Path], seeds: int, sweep: Sequence[str]
) -> "Iterator[tuple[Media, Path | None, Mapping[str, Any]]]":
    """Files, the picture in place of their first if it is another, and fields of each job: those of the file of
    ``--from``, each with each picture, prompt, value and seed."""
    from farm.jobs.batch import Batch, new_batch, read_sweeps, variations

    named, seconds = options.read_media(asked)
    images = [path for path in (asked["image"], *more) if path is not None]
    batch = Batch([path.stem for path in images], asked["prompts"], seeds, read_sweeps(list(sweep)))
    starts = options.brought(asked)
    called = asked["batch"] or (new_batch() if len(starts) * batch.size > 1 else None)
    for start in starts:
        fields = options.request_fields(asked, complete=not batch.prompts, start=start.fields) | seconds
        files = options.over(named, start.media)
        for one in variations({**fields, **({"batch": called} if called else {})}, batch):
            yield files, images[one.image] if one.image else None, one.fields


def _tell(job: Mapping[str, Any], told: set[str]) -> None:
    """The id on stdout; beside it what its owner should know and was not told before."""
    for note in job["notes"]:
        if note not in told:
            typer.echo(f"note: {note}", err=True)
    told.update(job["notes"])
    output.print_id(job["id"])


def _tell_more(detail: Mapping[str, Any]) -> None:
    """How long it will be, when its turn comes, and how to follow it."""
    job, plan = detail["job"], detail["plan"]
    facts = [f"{plan['seconds']:.1f} s of video in {counted(plan['sections'], 'section')}"]
    if outlook := job["outlook"]:
        facts += [f"place {outlook['place']} of {outlook['jobs']} in the queue"] if outlook["place"] else []
        facts += [f"done in about {output.ahead(outlook)}"] if outlook["expected"] is not None else []
        facts += [f"it waits: {outlook['why'].rstrip('.')}"] if outlook["why"] else []
    typer.echo(f"{'; '.join(facts)}. `farm watch {job['id'][: output.SHORT]}` follows it.", err=True)


def _tell_check(found: Mapping[str, Any], as_json: bool) -> None:
    """What a job would be, and when it would be done."""
    if as_json:
        output.print_json(found)
        return
    for note in found["notes"]:
        typer.echo(f"note: {note}", err=True)
    plan = found["plan"]
    length = f"{plan['seconds']:.1f} s of video in {counted(plan['sections'], 'section')}"
    typer.echo(f"{length}; {output.forecast(found['outlook'])}. Nothing was queued.")


def read_prompts(path: Path | None) -> list[str]:
    """The lines of a file that hold anything; none without a file.

    Raises:
        InputError: it can't be read, or holds no prompt.
    """
    if path is None:
        return []
    from farm.texts import decode

    try:
        text = decode(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}; --prompts takes a text file.") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise InputError(f"{path} holds no prompt; write one a line.")
    return found
