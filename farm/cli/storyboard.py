"""``farm storyboard``: a film from a file of shots."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import options, output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.cli.following import follow_job
from farm.cli.render import output_files, render_here
from farm.units import counted

if TYPE_CHECKING:
    from farm.films.reading import StoryboardFile
    from farm.intake.films import AcceptedFilm
    from farm.settings import Settings


def storyboard(
    file: Annotated[Path, typer.Argument(help="TOML, a text with --- between its shots, or a timeline (.otio).")],
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="The picture of shots without one; beside the storyboard.")
    ] = None,
    seconds: options.Seconds = None,
    model: options.Model = None,
    preset: options.Preset = None,
    steps: options.Steps = None,
    set_: options.Fields = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say what it would be, and render nothing; with --out without a farm, too.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Render on this machine, without a farm, and write this file.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, max=256, help="With --out: copies of the model; default: one per GPU or core.")
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Stay and show progress.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Queue a film: shots with pictures, prompts and lengths are rendered side by side and stand one after the other.

    Change a shot and give the file again: what is as it was is taken over and costs nothing. What the file says of a
    shot goes before what is said here.

    Example: farm storyboard film.toml --watch; farm storyboard film.toml -o film.mp4
    """
    from farm.films.reading import read_storyboard
    from farm.settings import Settings

    given = {"picture": picture, "seconds": seconds, "model_type": model, "preset": preset, "steps": steps}
    every = {name: value for name, value in given.items() if value is not None} | options.parse_fields(set_ or [])
    found = read_storyboard(file, every)
    if out is not None:
        settings = Settings.from_environment()
        film = _accepted(found, settings, replicas)
        targets = output_files(out, [exporter.extension for exporter in film.shots[0].accepted.exporters], given=True)
        if check:
            _show(_planned(film), as_json)
        else:
            _render(settings, film, targets, replicas)
        return
    with connect(url, token) as client:
        if check:
            _show(client.check_film(found.written, found.pictures, found.audio), as_json)
            return
        made = client.film(found.written, found.pictures, found.audio)
        if as_json:
            output.print_json(made)
            return
        for note in made["notes"]:
            typer.echo(f"note: {note}", err=True)
        done = counted(made["counts"]["done"], "task")
        typer.echo(f"{counted(len(made['shots']), 'video')} side by side; done already: {done}", err=True)
        output.print_id(made["id"])
        if follow:
            follow_job(client, made["id"])


def _accepted(found: "StoryboardFile", settings: "Settings", replicas: int | None) -> "AcceptedFilm":
    """Checked for this machine."""
    from farm.films.storyboard import Storyboard
    from farm.intake.films import accept_film
    from farm.intake.orders import this_machine
    from plugins.manager import get_manager

    return accept_film(
        Storyboard.of(found.written),
        found.pictures,
        found.audio,
        plugins=get_manager(settings),
        settings=settings,
        look=lambda family: this_machine(replicas),
    )


def _planned(film: "AcceptedFilm") -> dict[str, Any]:
    """As the farm answers whoever has a film checked."""
    requests = [shot.accepted.submission.model_dump(mode="json") for shot in film.shots]
    return {"requests": requests, "plan": film.plan, "notes": list(film.notes)}


def _render(settings: "Settings", film: "AcceptedFilm", targets: Mapping[str, Path], replicas: int | None) -> None:
    """Here, like ``farm render``."""
    from model.footage.media import Media

    plan = film.plan
    steps = sum(len(shot.accepted.plan.sections) * shot.accepted.request.steps for shot in film.shots)
    facts = f"{counted(len(film.shots), 'video')} side by side; {plan['seconds']:.2f} s at {plan['fps']} fps"
    render_here(settings, film, Media(), targets, (plan["sections"], steps, plan["seconds"]), facts, replicas)


def _show(planned: dict[str, Any], as_json: bool) -> None:
    """Each shot with its place in the film."""
    if as_json:
        output.print_json(planned)
        return
    plan, console = planned["plan"], output.console()
    table = output.table("Shot", "begins>", "seconds>", "sections>", "fades in", "prompt")
    for shot, request in zip(plan["shots"], planned["requests"], strict=True):
        fade = f"{shot['fade']:.2g} s" if shot["fade"] else ""
        cells = (f"{shot['second']:.2f}", f"{shot['seconds']:.2f}", str(shot["sections"]), fade)
        table.add_row(output.plain(shot["name"]), *cells, output.plain(request["prompt"]))
    console.print(table)
    for note in planned["notes"]:
        console.print(f"note: {note}", markup=False)
    console.print(
        f"{plan['seconds']:.2f} s in {counted(plan['sections'], 'section')}; "
        f"{plan['width']} can be rendered at once, the longest chain is {plan['depth']}"
    )
