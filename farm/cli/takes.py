"""Commands that render some sections of a job again and keep the rest: fork and redo."""

import re
from typing import Annotated, Any

import typer

from farm.cli import options, output
from farm.cli.jobs import AsJson, JobId, Token, Url, connect, find, follow_job
from farm.errors import InputError

Name = Annotated[str | None, typer.Option(help="A name for the take; by default the job's, and 'again'.")]
Follow = Annotated[bool, typer.Option("--watch", help="Stay and show progress.")]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help="What should happen in the new sections.")]


def fork(
    context: typer.Context,
    job: JobId,
    from_section: Annotated[int, typer.Option(min=0, help="The first section that is rendered anew, from 0.")],
    prompt: Prompt = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    cache: options.Cache = None,
    lora: options.Loras = None,
    set_: options.Fields = None,
    name: Name = None,
    follow: Follow = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Go another way from a section on: a new job that keeps all before it, and has another prompt, seed or LoRA.

    Example: farm fork 3f2a --from-section 4 --prompt "She turns and walks away"
    """
    take = {"from_section": from_section, "changes": options.request_fields(context.params, complete=False)}
    _queue(job, take, follow, url, token, as_json)


def redo(
    context: typer.Context,
    job: JobId,
    sections: Annotated[str, typer.Option(help="Which, from 0, such as 7, 7-9 or 2,7-9.")],
    prompt: Prompt = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    cache: options.Cache = None,
    lora: options.Loras = None,
    set_: options.Fields = None,
    name: Name = None,
    follow: Follow = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Render some sections again, and those that depend on them: a new job that keeps all others as they are.

    Without --seed another one is drawn. Example: farm redo 3f2a --sections 7-9 --watch
    """
    take = {"sections": parse_sections(sections), "changes": options.request_fields(context.params, complete=False)}
    _queue(job, take, follow, url, token, as_json)


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


def _queue(job: str, take: dict[str, Any], follow: bool, url: str | None, token: str | None, as_json: bool) -> None:
    with connect(url, token) as client:
        made = client.take(find(client, job), **take)
        if as_json:
            output.print_json(made)
            return
        kept, done = made["kept"], made["counts"]["done"]
        typer.echo(f"keeps {len(kept)} sections of {made['parent']}; {done} tasks are done already", err=True)
        output.console().print(made["id"], markup=False)
        if follow:
            follow_job(client, made["id"])
