"""``farm plan``: what a video would be made of, before anything is rendered."""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from farm.cli import options, output
from farm.cli.media import read_file
from farm.errors import InputError
from farm.intake.notes import crop_notes, prompt_notes
from farm.intake.orders import Capacity, choose_plan, is_auto
from farm.settings import Settings
from model.choices import CENTRED, Fit
from model.families import describe
from model.footage.apart import open_image_apart
from model.footage.buckets import Crop, crop_for
from model.plan import Given, Plan, find_order, make_plan, plan_svg
from model.plan.make import BLEND_SECTIONS
from model.plan.rules import CONTINUOUS
from model.plan.table import DEVICES, plan_table


class ExtendAt(StrEnum):
    """Sides of a given video."""

    end = "end"
    start = "start"


def plan(
    seconds: Annotated[float, typer.Option("--seconds", "-s", help="Length of the video.")] = 5.0,
    order: Annotated[
        str | None,
        typer.Option(
            help="vanilla, inverted, endpoints, bisect, fanout:k, or auto; default: the model's.", show_default=False
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Layout such as f1k1_x_g9_f1k1f2k2f16k4_td; default: the model's."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model family.")] = "puppet",
    fps: Annotated[int | None, typer.Option(help="Frames per second; default: the model's.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Trim the end to the exact length.")] = False,
    image: Annotated[Path | None, typer.Option(help="A start image: shows its bucket and what is cut off.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Size class, such as 512; default: the model's.", show_default=False)
    ] = None,
    image_fit: options.ImageFit = None,
    image_position: options.ImagePosition = None,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="With times: '\\[0s-2s: one] \\[2s: two]'.")] = "",
    blend: Annotated[
        int, typer.Option("--blend", min=0, max=10, help="Sections over which a timed prompt is blended in.")
    ] = BLEND_SECTIONS,
    end_image: Annotated[bool, typer.Option("--end-image", help="With an end image.")] = False,
    keyframe: Annotated[
        list[float] | None, typer.Option("--keyframe", metavar="SECOND", help="With a picture there; repeat for more.")
    ] = None,
    extend_at: Annotated[
        ExtendAt | None, typer.Option("--extend-at", help="At which side of a given video it is made.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="For --order auto: what there is.")] = 1,
    picture: Annotated[Path | None, typer.Option(help="Write the DAG as an SVG picture here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a video's sections, depth, width and best possible speed-up on 1, 2, 4 and 8 devices."""
    notes: list[str] = []
    rules = CONTINUOUS
    if layout is None:
        info = describe(model, Settings.from_environment().model)
        layout, rules = str(info.layout), info.rules
        if not is_auto(order):
            order = info.default_order if order is None else find_order(order).name
        fps = info.fps if fps is None else fps
        if order not in info.orders and not is_auto(order):
            notes.append(f"{model} was not trained for {order}: experimental.")
        if seconds > info.max_seconds:
            notes.append(f"{model} renders at most {info.max_seconds:g} s.")
    order, fps = "bisect" if order is None else order, 30 if fps is None else fps
    fit = Fit(
        CENTRED.kind if image_fit is None else image_fit, CENTRED.position if image_position is None else image_position
    )
    crop = _crop(model, image, resolution, fit)
    if crop is not None:
        notes += crop_notes(*crop.size, crop.bucket, "picture", fit)
    given = Given(
        end_strength=1.0 if end_image else None,
        keyframes=tuple(keyframe or ()),
        extend=extend_at.value if extend_at else None,
    )

    def planned(name: str) -> Plan:
        return make_plan(
            layout=layout,
            order=name,
            seconds=seconds,
            seed=0,
            prompt=prompt,
            fps=fps,
            exact_length=exact,
            given=given,
            blend_sections=blend,
            rules=rules,
        )

    if is_auto(order):
        made, chosen = choose_plan(planned, describe(model, Settings.from_environment().model), Capacity(devices))
        notes.append(chosen.why)
    else:
        made = planned(order)
    notes += prompt_notes(prompt, made)
    if made.layout.discretised:
        notes.append("+D: history that is discretised plans as any other; no model here renders it.")
    if picture is not None:
        _write(picture, plan_svg(made))
    if as_json:
        bucket = {"bucket": crop.bucket, "crop": crop.box, "kept": crop.kept} if crop else {}
        output.print_json(_summary(made) | bucket | {"notes": notes})
        return
    console = output.console()
    if crop is not None:
        console.print(f"picture      {crop}", markup=False)
    console.print(plan_table(made))
    for note in notes:
        console.print(note, style="yellow", markup=False)
    if picture is not None:
        console.print(f"\nwrote {picture}", markup=False)


def _crop(model: str, image: Path | None, resolution: int | None, fit: Fit) -> Crop | None:
    info = describe(model, Settings.from_environment().model)
    if image is None:
        info.buckets_at(resolution)
        return None
    picture, _ = open_image_apart(read_file(image, "image"), side=1)
    return crop_for(picture.width, picture.height, info.bucket(picture.height, picture.width, resolution), fit)


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
        "anchors": [{"name": a.name, "boundary": a.boundary, "second": made.second_of(a)} for a in made.anchors],
        "speedup": {str(devices): round(made.speedup(devices), 4) for devices in DEVICES},
        "speedup_unlimited": round(made.speedup(), 4),
        "sections": [
            {
                "index": section.index,
                "level": section.level,
                "latents": [section.start, section.stop],
                "predecessors": section.predecessors,
                "prompts": section.prompts,
                "anchors": made.anchors_of(section),
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
