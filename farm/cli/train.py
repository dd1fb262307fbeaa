"""``farm train``: make the bundled model again, or a variation of it."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output

train_app = typer.Typer(help="Train the models that this project ships.", no_args_is_help=True)


@train_app.callback()
def _group() -> None:
    pass


@train_app.command()
def puppet(
    config: Annotated[Path | None, typer.Option(help="Recipe (TOML); default: the shipped checkpoint's.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Checkpoint folder to go on from; default: new random weights.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for states, samples and the checkpoint.")] = Path("runs/puppet"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(help="Torch threads on the CPU; 0: all cores.")] = 0,
) -> None:
    """Train the puppet: its codec, then its packed transformer with the text and image encoders.

    Stop it at any time with Ctrl-C; the same command goes on from the last saved state. Pictures of what it
    has learnt so far lie in OUT/samples, the finished checkpoint in OUT/checkpoint. Render with it by setting
    FARM_PUPPET_PATH to that folder.

    The shipped checkpoint was trained with model/puppet/train.toml, then refined: farm train puppet
    --config model/puppet/refine.toml --start runs/puppet/checkpoint --out runs/refined
    """
    import torch
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from model.puppet.build import read
    from model.puppet.train import DEFAULT_CONFIG, Recipe, train_puppet

    recipe = Recipe.read(config or DEFAULT_CONFIG)
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    torch.set_flush_denormal(True)  # numbers near zero slow a CPU down tenfold; this process does nothing else
    if threads:
        torch.set_num_threads(threads)
    console = output.console()
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def report(stage: str, done: int, steps: int, metrics: dict[str, float]) -> None:
            text = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=steps, metrics=text)
            progress.update(bars[stage], completed=done, total=steps, metrics=text)
            if not console.is_terminal:
                console.print(f"{stage} {done}/{steps} {text}", markup=False)

        facts = train_puppet(recipe, out, chosen, report, read(start) if start else None)
    for name, value in facts.items():
        console.print(f"{name}: {value}", markup=False)
    console.print(f"checkpoint: {out / 'checkpoint'}", markup=False)
