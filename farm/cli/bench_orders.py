"""``farm bench orders``: which order to take when, by videos that differ in their order alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import output

from .bench_clips import KEPT, Steps, Workers, render_clips

if TYPE_CHECKING:
    from model.puppet.orders import Mean

DEVICES = (2, 8)
COLUMNS = {
    "tint": "colour drift>",
    "look": "look drift>",
    "sharpness": "sharpness drift>",
    "motion": "motion drift>",
    "seam": "seam>",
    "outside": "outside limits>",
    "identity": "colours at the end>",
    "truth_sharpness": "sharpness at the end>",
}

DRAWN = ("tint", "look", "sharpness", "seam", "outside", "identity")
"""Of these less is better."""


def orders(
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Held-out puppets, each in every order.")] = 40,
    seconds: Annotated[float, typer.Option(min=2.4, max=600, help="Length of each video.")] = 20.0,
    names: Annotated[str, typer.Option("--orders", help="Comma-separated; default: all it was trained for.")] = "",
    steps: Steps = 25,
    workers: Workers = 0,
    json_file: Annotated[Path | None, KEPT] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the differences to the first order here, as SVG.")] = None,
) -> None:
    """Render the same puppets in every order and judge them: drift, motion, seams, and the time on many devices.

    Figures are means over the clips with their standard errors; the second table is beside the first order, puppet by
    puppet. Drifts compare the first and the last 15%; colours and sharpness at the end are those of the last second
    beside the true clip's. The time on 2 and 8 devices is a bound from the plan: sections one after the other, of as
    many as the video has.

    Example: farm bench orders --clips 12 --seconds 60 --json orders.json --picture orders.svg
    """
    from farm.errors import InputError
    from farm.files import written_aside
    from farm.settings import Settings
    from model.families import describe
    from model.family import SamplingParams
    from model.plan import find_order
    from model.puppet.bench import Work
    from model.puppet.orders import Clip, beside, bounds, judge_order, means
    from model.puppet.orders_chart import Panel, orders_svg

    if picture is not None and picture.suffix.lower() != ".svg":
        raise InputError(f"picture {picture}: expected a name that ends in .svg.")
    info = describe("puppet", Settings.from_environment().model)
    wanted = [find_order(name).name for name in (names.split(",") if names else info.orders)]
    works = [Work(index, seconds, order, SamplingParams(steps=steps)) for index in range(clips) for order in wanted]
    settings = {"checkpoint_sha256": info.checkpoint_sha256, "seconds": seconds, "steps": steps}
    made = render_clips(works, judge_order, Clip, lambda clip: (clip.order, clip.index), json_file, settings, workers)
    table = output.table("order", "n>", *COLUMNS.values(), *(f"{count} devices>" for count in DEVICES))
    for order in wanted:
        mine = [clip for clip in made if clip.order == order]
        found, bound = means(mine), bounds(info, order, seconds, (1, *DEVICES))
        times = (f"{bound[count]}/{bound[1]}" for count in DEVICES)
        table.add_row(order, str(len(mine)), *(cell(found[name]) for name in COLUMNS), *times)
    output.console().print(table)
    first = [clip for clip in made if clip.order == wanted[0]]
    table = output.table(f"more than {wanted[0]}, puppet by puppet", *COLUMNS.values())
    more = {order: beside([clip for clip in made if clip.order == order], first) for order in wanted[1:]}
    for order, scores in more.items():
        table.add_row(order, *(cell(scores[name], sign="+") for name in COLUMNS))
    output.console().print(table)
    if picture is not None and more:
        titles = {name: title.rstrip(">") for name, title in COLUMNS.items() if name in DRAWN}
        panels = [Panel(title, {order: more[order][name] for order in more}) for name, title in titles.items()]
        title = f"{len(first)} videos of {seconds:g} s in each order, beside {wanted[0]}"
        with written_aside(picture) as aside:
            aside.write_text(orders_svg(title, wanted[0], panels), encoding="utf-8")
        typer.echo(f"wrote {picture}", err=True)


def cell(mean: "Mean", sign: str = "-") -> str:
    """A mean with its standard error; ``sign``: ``+`` to show that of values above 0, too."""
    return f"{mean.value:{sign}.3f} ±{mean.error:.3f}"
