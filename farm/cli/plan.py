"""``farm plan``: what a video would be made of, before anything is rendered."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output
from farm.errors import InputError
from model.families import describe
from model.plan import Plan, find_order, make_plan, plan_svg, plan_table
from model.plan.table import DEVICES


def plan(
    seconds: Annotated[float, typer.Option("--seconds", "-s", help="Length of the video.")] = 5.0,
    order: Annotated[
        str | None,
        typer.Option(
            help="vanilla, inverted, endpoints, bisect or fanout:k; default: the model's.", show_default=False
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Layout such as f1k1_x_g9_f1k1f2k2f16k4_td; default: the model's."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model family.")] = "puppet",
    fps: Annotated[int | None, typer.Option(help="Frames per second; default: the model's.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Trim the end to the exact length.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Write the DAG as an SVG picture here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a video's sections, depth, width and best possible speed-up on 1, 2, 4 and 8 devices."""
    notes: list[str] = []
    if layout is None:
        info = describe(model)
        layout = str(info.layout)
        order = info.default_order if order is None else find_order(order).name
        fps = info.fps if fps is None else fps
        if order not in info.orders:
            notes.append(f"{model} was not trained for {order}: experimental.")
        if seconds > info.max_seconds:
            notes.append(f"{model} renders at most {info.max_seconds:g} s.")
    order, fps = "bisect" if order is None else order, 30 if fps is None else fps
    made = make_plan(layout=layout, order=order, seconds=seconds, seed=0, prompt="", fps=fps, exact_length=exact)
    if picture is not None:
        _write(picture, plan_svg(made))
    if as_json:
        output.print_json(_summary(made))
        return
    console = output.console()
    console.print(plan_table(made))
    for note in notes:
        console.print(note, style="yellow", markup=False)
    if picture is not None:
        console.print(f"\nwrote {picture}", markup=False)


def _summary(made: Plan) -> dict[str, object]:
    return {
        "order": made.order,
        "layout": str(made.layout),
        "fps": made.fps,
        "requested_seconds": made.requested_seconds,
        "seconds": made.seconds,
        "frames": made.output_frames,
        "latent_frames": made.latent_frames,
        "depth": made.depth,
        "width": made.width,
        "level_widths": made.level_widths,
        "speedup": {str(devices): round(made.speedup(devices), 4) for devices in DEVICES},
        "speedup_unlimited": round(made.speedup(), 4),
        "sections": [
            {
                "index": section.index,
                "level": section.level,
                "latents": [section.start, section.stop],
                "predecessors": section.predecessors,
            }
            for section in made.sections
        ],
    }


def _write(path: Path, text: str) -> None:
    """Write a file aside, then rename it."""
    if path.suffix.lower() != ".svg":
        raise InputError(f"picture {path}: the picture is SVG; give a name that ends in .svg.")
    aside = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            aside = Path(file.name)
            file.write(text)
        aside.chmod(0o644)
        os.replace(aside, path)
    except OSError as error:
        if aside is not None:
            aside.unlink(missing_ok=True)
        raise InputError(f"can't write picture {path}: {error.strerror}; choose a folder you can write to.") from error
