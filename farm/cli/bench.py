"""``farm bench``: how good and how fast, measured."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.bench_cluster import mixed, replicas
from farm.cli.bench_farm import dispatch, queue
from farm.cli.bench_gate import gate
from farm.cli.bench_gpu import gpu
from farm.cli.bench_orders import orders
from farm.cli.bench_quality import quality
from farm.cli.bench_store import store
from farm.cli.bench_stream import stream
from farm.cli.bench_transformer import transformer
from farm.cli.bench_video import video
from farm.errors import InputError

if TYPE_CHECKING:
    from model.puppet.kept import Kept
    from model.puppet.quality import Score

bench_app = typer.Typer(help="Measure the quality of models and the speed of the farm.", no_args_is_help=True)


@bench_app.callback()
def _group() -> None:
    pass


@bench_app.command()
def puppet(
    clips: Annotated[int, typer.Option(min=1, help="Clips of 5 seconds, motions in turn.")] = 63,
    long_clips: Annotated[int, typer.Option(min=0, help="Videos of --long-seconds for each order.")] = 7,
    long_seconds: Annotated[float, typer.Option(min=6, max=600, help="Length of the long videos.")] = 60.0,
    others: Annotated[int, typer.Option(min=0, help="Clips of 5 seconds of each kind of other scene.")] = 12,
    orders: Annotated[str, typer.Option(help="Orders of the long videos, comma-separated.")] = (
        "vanilla,inverted,endpoints,bisect"
    ),
    workers: Annotated[int, typer.Option(min=0, help="Processes of one torch thread; 0: one per core.")] = 0,
    resolution: Annotated[int | None, typer.Option(help="Of the videos; default: the puppet's own.")] = None,
    preset: Annotated[str, typer.Option(help="Preset whose values the clips are rendered with.")] = "Default",
    out: Annotated[Path | None, typer.Option(help="Write every figure as JSON here.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of the clips (PNG) here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Render held-out puppets and judge them: motion accuracy, identity, sharpness, beside the true clips.

    Motion: a classifier that is trained here, on true clips alone, names the motion. Identity: mean colour error of
    skin, shirt, trousers and background in the last second. Sharpness: ratio to the true clips'. Blocks: how much more
    pixels differ where the codec's blocks meet than elsewhere, beside the true clips. The long videos are judged by
    their end.

    Other scenes: pictures without a figure that are to stay, also where a figure's motion is asked for, or before which
    the camera zooms or pans; the ground behind a figure; an end image. Error: how far the end is from what should be
    there, in levels of 255, beside that of the codec alone.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from rich.progress import Progress

    from farm.settings import Settings
    from model.families import describe
    from model.family import SamplingParams
    from model.plan import find_order
    from model.puppet.bench import Work, judge_clip, judge_kept_clip, prepare, write_sheet
    from model.puppet.classifier import train_classifier
    from model.puppet.kept import KINDS, KeptWork
    from plugins.exporters.base import written_aside
    from plugins.presets import load_presets

    settings = Settings.from_environment().model
    info = describe("puppet", settings).at(resolution)
    names = [find_order(name.strip()).name for name in orders.split(",") if name.strip()] if long_clips else []
    for path in (out, sheet):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; make it first.")
    values = load_presets().get(preset).values
    fields = SamplingParams.__dataclass_fields__
    params = SamplingParams(**{name: value for name, value in values.items() if name in fields})
    console = output.console()
    with Progress(console=console, disable=as_json) as progress:
        bar = progress.add_task("classifier on true clips", total=None)
        judge, true_accuracy = train_classifier(
            report=lambda done, total: progress.update(bar, completed=done, total=total)
        )
        short = [Work(i, 5.0, info.default_order, params) for i in range(clips)]
        long = [Work(i, long_seconds, order, params) for order in names for i in range(long_clips)]
        results: dict[Work, tuple[Score, list[bytes]]] = {}
        count = workers or os.cpu_count() or 1
        ready = (judge.state_dict(), settings, resolution)
        with ProcessPoolExecutor(count, get_context("spawn"), prepare, ready) as pool:
            for title, works in (
                ("5 s clips", short),
                *((f"{long_seconds:g} s {o}", [w for w in long if w.order == o]) for o in names),
            ):
                bar = progress.add_task(title, total=len(works))
                for work, result in zip(works, pool.map(judge_clip, works), strict=True):
                    results[work] = result
                    progress.advance(bar)
            asked = [KeptWork(kind, i, 5.0, info.default_order, params) for kind in KINDS for i in range(others)]
            bar = progress.add_task("other scenes", total=len(asked))
            kept: list[Kept] = []
            for one in pool.map(judge_kept_clip, asked):
                kept.append(one)
                progress.advance(bar)
    report: dict[str, Any] = {
        "checkpoint_sha256": info.checkpoint_sha256,
        "resolution": info.resolution,
        "preset": preset,
        "sampling": asdict(params),
        "true_clips_accuracy": true_accuracy,
        "rows": [_row(f"5 s {info.default_order}", [results[work][0] for work in short])]
        + [_row(f"{long_seconds:g} s {o}", [results[w][0] for w in long if w.order == o]) for o in names],
        "others": [_others(kind, [one for one in kept if one.kind == kind]) for kind in KINDS if kept],
        "by_motion": _by_motion([results[work][0] for work in short]),
    }
    if sheet is not None:
        with written_aside(sheet) as aside:
            write_sheet(aside, [results[work][1] for work in short[:21]])
    if out is not None:
        with written_aside(out) as aside:
            aside.write_text(json.dumps(report, indent=2) + "\n")
    if as_json:
        output.print_json(report)
        return
    console.print(f"classifier on held-out true clips: {true_accuracy:.1%} right")
    table = output.table("clips", "n>", "motion>", "identity error>", "sharpness>", "blocks>")
    for row in report["rows"]:
        table.add_row(
            row["clips"],
            str(row["n"]),
            f"{row['motion']:.1%}",
            f"{row['identity']:.3f}",
            f"{row['sharpness']:.1%}",
            f"{row['blockiness']:.2f}",
        )
    console.print(table)
    table = output.table("other scenes", "n>", "error>", "codec alone>", "moved>")
    for row in report["others"]:
        numbers = (f"{255 * row[name]:.1f}" for name in ("error", "codec", "moved"))
        table.add_row(row["scenes"], str(row["n"]), *numbers)
    console.print(table)
    console.print(
        "motion by motion: " + ", ".join(f"{name} {value:.0%}" for name, value in report["by_motion"].items())
    )


@bench_app.command()
def magcache(
    image: Annotated[Path, typer.Argument(help="A start image that is typical of yours.", show_default=False)],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="A prompt that is typical of yours.")],
    preset: Annotated[str | None, typer.Option(help="Preset whose values are used; `farm presets` lists them.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any field, such as model_type or steps.")
    ] = None,
    sections: Annotated[int, typer.Option(min=1, max=20, help="Sections to render.")] = 3,
    device: Annotated[str, typer.Option(help="torch's name of the device, such as cuda:0.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Calibrate MagCache for a model, sampler and number of steps; prints what to put under [values] of a preset.

    Example: farm bench magcache dancer.png -p "The puppet dances" --set steps=25
    """
    from rich.progress import Progress

    from farm.cli.media import read_file
    from farm.cli.options import parse_fields
    from farm.intake.planning import plan_for
    from farm.intake.request import build_request
    from farm.settings import Settings
    from model.caches.calibration import calibrate_magcache
    from model.families import load
    from model.family import SamplingParams

    data = read_file(image, "image")
    fields: dict[str, Any] = {"seed": 31337, "preset": preset, **parse_fields(set_ or []), "prompt": prompt}
    request = build_request(fields | {"cache": "none", "total_second_length": 1.2 * sections}, data)
    params = SamplingParams(**{name: getattr(request, name) for name in SamplingParams.__dataclass_fields__})
    renderer = load(request.model_type, Settings.from_environment().model, device)
    if renderer.info.caches and "mag" not in renderer.info.caches:
        raise InputError(f"model {request.model_type!r} has no MagCache, so there is nothing to calibrate.")
    conditioning = renderer.encode(data, (prompt,), "")
    with Progress(console=output.console(), disable=as_json) as progress:
        bar = progress.add_task("sections", total=sections)
        ratios = calibrate_magcache(
            renderer,
            plan_for(request),
            conditioning,
            params,
            sections,
            lambda done: progress.update(bar, completed=done),
        )
    if as_json:
        output.print_json({"model_type": request.model_type, "steps": request.steps, "magcache_ratios": ratios})
        return
    output.console().print(f'cache = "mag"\nmagcache_ratios = {list(ratios)}', markup=False, soft_wrap=True)


@bench_app.command()
def controls(
    clips: Annotated[int, typer.Option(min=1, help="Held-out puppets.")] = 7,
    seconds: Annotated[float, typer.Option(min=2.4, max=60, help="Length of each clip.")] = 7.2,
    order: Annotated[str | None, typer.Option(help="Order of the sections; default: the model's.")] = None,
    steps: Annotated[int, typer.Option(min=1, max=100, help="Denoising steps.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show in numbers what `motion_bias` and `consistency_boost` do to clips of the bundled model.

    Motion: mean change from frame to frame in each third of a clip. Drift: how far colours and contrast of the last
    section are from the first frame's, for clips as rendered and for the same clips with a drift of known size added.
    Seam and inside: how much the picture changes from frame to frame at seams and elsewhere, on a grid of 8 x 8 means.
    All in levels of 255.
    """
    from rich.progress import Progress

    from farm.settings import Settings
    from model.families import load
    from model.family import SamplingParams
    from model.plan import find_order
    from model.puppet.controls import measure_controls
    from model.puppet.quality import held_out_puppet

    console = output.console()
    with Progress(console=console, disable=as_json) as progress:
        bar = progress.add_task("clips", total=3 * clips)
        renderer = load("puppet", Settings.from_environment().model, threads=os.cpu_count() or 1)
        found = measure_controls(
            renderer,
            [held_out_puppet(index) for index in range(clips)],
            order=find_order(order or renderer.info.default_order).name,
            seconds=seconds,
            params=SamplingParams(steps=steps),
            report=lambda: progress.advance(bar),
        )
    if as_json:
        output.print_json(found)
        return
    for title, key, columns in (
        ("motion_bias", "motion", ("first third", "middle", "last third")),
        ("consistency_boost", "colours", ("drift", "seam", "inside")),
        ("consistency_boost, drift added", "tinted", ("drift", "seam", "inside")),
    ):
        table = output.table(title, *(f"{column}>" for column in columns))
        for value, numbers in found[key].items():
            table.add_row(value, *(f"{number:.2f}" for number in numbers))
        console.print(table)


for _command in (transformer, gpu, queue, dispatch, mixed, stream, video, replicas, store, quality, orders, gate):
    bench_app.command()(_command)


def _row(title: str, scores: "list[Score]") -> dict[str, float | str | int]:
    count = len(scores)
    return {
        "clips": title,
        "n": count,
        "motion": sum(score.right for score in scores) / count,
        "identity": sum(score.identity for score in scores) / count,
        "sharpness": sum(score.sharpness for score in scores) / count,
        "blockiness": sum(score.blockiness for score in scores) / count,
    }


def _others(kind: str, clips: "list[Kept]") -> dict[str, float | str | int]:
    count = len(clips)
    means = {name: sum(getattr(clip, name) for clip in clips) / count for name in ("error", "codec", "moved")}
    return {"scenes": kind, "n": count, **means}


def _by_motion(scores: "list[Score]") -> dict[str, float]:
    found: dict[str, list[bool]] = {}
    for score in scores:
        found.setdefault(score.motion, []).append(score.right)
    return {motion: sum(right) / len(right) for motion, right in found.items()}
