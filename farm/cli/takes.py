"""Commands that make a new job of an earlier one: fork and redo, which keep some sections, promote and export."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from farm.cli import media, options, output
from farm.cli.farms import AsJson, JobId, Token, Url, connect, find
from farm.cli.following import follow_job
from farm.cli.groups import takes
from farm.errors import InputError
from farm.jobs.exports import read_export
from farm.units import counted


class Anew:
    """How sections are rendered again."""

    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="What should happen in the new sections.")] = None
    seed: options.Seed = None
    steps: options.Steps = None
    cache: options.Cache = None
    lora: options.Loras = None
    set_: options.Fields = None
    name: Annotated[str | None, typer.Option(help="A name for the take; by default the job's, and 'again'.")] = None
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False
    url: Url = None
    token: Token = None
    as_json: AsJson = False


@takes(Anew)
def fork(
    job: JobId,
    from_section: Annotated[int, typer.Option(min=0, help="The first section that is rendered anew, from 0.")],
    given: Mapping[str, Any],
) -> None:
    """Go another way from a section on: a new job that keeps all before it, and has another prompt, seed or LoRA.

    Example: farm fork 3f2a --from-section 4 --prompt "She turns and walks away"
    """
    _queue(job, {"from_section": from_section}, given)


@takes(Anew)
def redo(
    job: JobId,
    sections: Annotated[str, typer.Option(help="Which, from 0, such as 7, 7-9 or 2,7-9.")],
    given: Mapping[str, Any],
) -> None:
    """Render some sections again, and those that depend on them: a new job that keeps all others as they are.

    Without --seed another one is drawn. Example: farm redo 3f2a --sections 7-9 --watch
    """
    _queue(job, {"sections": parse_sections(sections)}, given)


def promote(
    ids: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of drafts, or enough of their beginnings.")],
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Render drafts in full: the same videos with the steps, the resolution and the cache that they lowered.

    Example: farm submit dancer.png -p "The puppet dances" --draft --seeds 6, then farm promote 3f2a
    """
    with connect(url, token) as client:
        made = [client.promote(find(client, job)) for job in ids]
        if as_json:
            output.print_json(made)
            return
        for job in made:
            output.print_id(job["id"])
        for job in made if follow else ():
            follow_job(client, job["id"])


def export(
    job: JobId,
    exports: Annotated[
        list[str],
        typer.Argument(metavar="EXPORTER[:OPTION=VALUE,...]", help="Output formats, such as webm:crf=30 gif:fps=12."),
    ],
    post: options.Post = None,
    file_name: options.FileName = None,
    audio: media.Audio = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave out the job's sound track.")] = False,
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Write other files of a rendered job: a new job that renders nothing, also when the export of the first failed.

    What is not said is as in the job's first file. Example: farm export 3f2a webm:crf=30 gif --audio song.mp3:loop=yes
    """
    if audio and no_audio:
        raise InputError("--audio and --no-audio exclude each other.")
    track, fields = media.read_audio(audio) if audio else (None, {})
    common: dict[str, Any] = {"post": post or None, "file_name": file_name, **fields}
    common = {name: value for name, value in common.items() if value is not None}
    if no_audio:
        common["audio_sha256"] = None
    asked = [{**common, **_as_object(export)} for export in exports] if common else exports
    with connect(url, token) as client:
        made = client.export(find(client, job), asked, track)
        if as_json:
            output.print_json(made)
            return
        for note in made["notes"]:
            typer.echo(f"note: {note}", err=True)
        output.print_id(made["id"])
        if follow:
            follow_job(client, made["id"])


def _as_object(export: str) -> dict[str, Any]:
    try:
        return dict(read_export(export))  # type: ignore[call-overload]
    except ValueError as error:
        raise InputError(f"{export!r} {error}.") from None


def parse_sections(text: str) -> list[int]:
    """``2,7-9`` as numbers; InputError for anything else."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part)
        if match is None:
            raise InputError(f"--sections {text!r}: expected numbers and ranges from 0, such as 7, 7-9 or 2,7-9.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first > 10_000:
            raise InputError(f"--sections {text!r}: {part} is no range; the first number comes first.")
        found.update(range(first, last + 1))
    return sorted(found)


def _queue(job: str, which: dict[str, Any], given: Mapping[str, Any]) -> None:
    changes = options.request_fields(given, complete=False)
    with connect(given["url"], given["token"]) as client:
        made = client.take(find(client, job), changes=changes, **which)
        if given["as_json"]:
            output.print_json(made)
            return
        kept = counted(len(made["kept"]), "section")
        done = counted(made["counts"]["done"], "task")
        typer.echo(f"keeps {kept} of {made['parent'][: output.SHORT]}; done already: {done}", err=True)
        output.print_id(made["id"])
        if given["follow"]:
            follow_job(client, made["id"])
