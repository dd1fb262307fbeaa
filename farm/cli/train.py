"""``farm train``: teach a model something new, or make the bundled model again."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.groups import takes
from farm.units import counted

if TYPE_CHECKING:
    from model.training.config import Recipe

train_app = typer.Typer(help="Teach a model something new.", no_args_is_help=True)

LINE_SECONDS = 10.0
"""Where progress is no bar but lines, one comes this often, and at each stage's beginning and end."""

Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int, typer.Option(min=0, help="Torch threads on the CPU; 0: all cores.")]
Report = Callable[[str, int, int, Mapping[str, float]], None]


Config = Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train on, and how.")]


class Place:
    """Where a training runs and leaves its files."""

    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results, samples and the state; default: runs/NAME.", show_default=False),
    ] = None
    check: Annotated[bool, typer.Option("--check", help="Look at all files, encode them, and end.")] = False
    device: Device = "auto"
    threads: Threads = 0
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for what clips are encoded to; default: that of all trainings, in FARM_HOME."),
    ] = None


@train_app.callback()
def _group() -> None:
    pass


@train_app.command()
@takes(Place)
def lora(config: Config, given: Mapping[str, Any]) -> None:
    """Train a LoRA on videos and pictures with captions, for framepack, framepack-f1 or the puppet.

    Stop it with Ctrl-C, or lose the machine: the same command goes on from the last saved state, to the very same
    weights. Files and captions are looked at before anything is computed, and encoded once, whatever is trained later.

    OUT/NAME.safetensors is for diffusers, ComfyUI's FramePack nodes and this farm: put it into FARM_HOME/loras.
    """
    from model.training.config import Recipe

    _train(Recipe.read(config), given)


@train_app.command()
@takes(Place)
def pack(config: Config, given: Mapping[str, Any]) -> None:
    """Make a packed model of a base that never was one, such as HunyuanVideo, or give a packed one another layout.

    The config is that of a LoRA with layout, order and base (a transformer's folder). Projections for the layout's
    kernels are learnt whole, the blocks by a LoRA, and OUT/checkpoint holds the transformer with all of it.
    """
    from model.training.config import PackRecipe

    _train(PackRecipe.read(config), given)


@train_app.command()
def puppet(
    config: Annotated[Path | None, typer.Option(help="Recipe (TOML); default: the shipped checkpoint's.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Checkpoint folder to go on from; default: new random weights.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for states, samples and the checkpoint.")] = Path("runs/puppet"),
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Train the puppet: its codec, then its packed transformer with the text and image encoders.

    Stop it at any time with Ctrl-C; the same command goes on from the last saved state. Pictures of what it
    has learnt so far lie in OUT/samples, the finished checkpoint in OUT/checkpoint. Render with it by setting
    FARM_PUPPET_PATH to that folder.

    The shipped checkpoint was trained with model/puppet/train.toml, then with refine.toml, widen.toml and details.toml,
    each from what the one before gave: farm train puppet --config model/puppet/refine.toml
    --start runs/puppet/checkpoint --out runs/refined

    With large.toml the whole puppet grows, latents included.
    """
    from farm.settings import Settings
    from model.puppet.build import read
    from model.puppet.recipe import DEFAULT_CONFIG, Recipe
    from model.puppet.train import train_puppet

    recipe = Recipe.read(config or DEFAULT_CONFIG)
    chosen = _set_up({"device": device, "threads": threads})
    console = output.console()
    with _progress(console) as report:
        facts = train_puppet(
            recipe, out, chosen, report, read(start, Settings.from_environment().model) if start else None
        )
    for name, value in facts.items():
        console.print(f"{name}: {value}", markup=False)
    console.print(f"checkpoint: {out / 'checkpoint'}", markup=False)


def _train(recipe: "Recipe", given: Mapping[str, Any]) -> None:
    """Prepare and train, or only prepare, and say what comes of it."""
    from farm.settings import Settings
    from model.training.loop import train
    from model.training.prepare import prepare

    console = output.console()
    device, settings = _set_up(given), Settings.from_environment().model
    with _progress(console) as report:
        prepared = prepare(recipe, settings, device, given["cache"], report)
    sections = counted(len(prepared.examples), "section")
    console.print(f"{counted(len(prepared.clips), 'clip')}, {sections}; memory: {prepared.plan}", markup=False)
    if given["check"]:
        return
    folder = given["out"] or Path("runs") / recipe.name
    with _progress(console) as report, _stopping() as stopped:
        made = train(prepared, folder, device, threads=_threads(given), report=report, stopped=stopped)
    console.print(f"{'stopped; the same command goes on' if stopped() else 'done'}: {made}", markup=False)


def _set_up(given: Mapping[str, Any]) -> str:
    """Ready this process for training; torch's name of the device."""
    import torch

    torch.set_flush_denormal(True)  # numbers near zero slow a CPU down tenfold; this process does nothing else
    torch.set_num_threads(_threads(given))
    device: str = given["device"]
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _threads(given: Mapping[str, Any]) -> int:
    import torch

    return int(given["threads"]) or torch.get_num_threads()


@contextmanager
def _progress(console: Any) -> Iterator[Report]:
    """A report that shows each stage's progress and when it should be done: bars on a terminal, else lines."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    bars: dict[str, TaskID] = {}
    begun: dict[str, tuple[float, int]] = {}
    shown: dict[str, float] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def report(stage: str, done: int, total: int, metrics: Mapping[str, float]) -> None:
            text = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            now = time.monotonic()
            if console.is_terminal:
                if stage not in bars:
                    bars[stage] = progress.add_task(stage, total=total, completed=done, metrics=text)
                progress.update(bars[stage], completed=done, total=total, metrics=text)
                return
            since, first = begun.setdefault(stage, (now, done))
            if done < total and now - shown.get(stage, -LINE_SECONDS) < LINE_SECONDS:
                return
            shown[stage] = now
            left = (now - since) / (done - first) * (total - done) if done > first else 0.0
            eta = f" done in {output.seconds_text(left)}" if left else ""
            console.print(f"{stage} {done}/{total} {text}{eta}".rstrip(), markup=False)

        yield report


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Inside the block Ctrl-C is noted, not raised; a second one is raised."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
