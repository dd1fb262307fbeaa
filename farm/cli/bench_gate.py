"""``farm bench gate``: what the gate does to drift in long videos, and what that costs."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output

from .bench_clips import KEPT, Steps, Workers, render_clips
from .bench_orders import COLUMNS, cell


def gate(
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Held-out puppets, with the gate and without.")] = 6,
    seconds: Annotated[float, typer.Option(min=2.4, max=600, help="Length of each video.")] = 30.0,
    order: Annotated[str, typer.Option(help="Order of the sections; vanilla drifts most.")] = "vanilla",
    retakes: Annotated[int, typer.Option(min=1, max=8, help="Other takes of a section outside its limits.")] = 2,
    steps: Steps = 25,
    workers: Workers = 0,
    json_file: Annotated[Path | None, KEPT] = None,
) -> None:
    """Render the same puppets with `quality_gate=retake` and without: drift of both, and how many sections that takes.

    Figures are means over the clips with their standard errors, as those of `farm bench orders`.

    Example: farm bench gate --clips 6 --seconds 30 --json gate.json
    """
    from farm.settings import Settings
    from model.families import describe
    from model.family import SamplingParams
    from model.plan import find_order
    from model.puppet.gated import GatedClip, GateWork, judge_gated
    from model.puppet.orders import Mean

    info, name = describe("puppet", Settings.from_environment().model), find_order(order).name
    params = SamplingParams(steps=steps)
    works = [GateWork(index, seconds, name, count, params) for index in range(clips) for count in (0, retakes)]
    settings = {"checkpoint_sha256": info.checkpoint_sha256, "seconds": seconds, "order": name, "steps": steps}
    made = render_clips(
        works, judge_gated, GatedClip, lambda clip: (clip.index, clip.retakes), json_file, settings, workers
    )
    table = output.table("gate", "n>", *COLUMNS.values(), "outside at first>", "rendered>")
    for count in (0, retakes):
        mine = [clip for clip in made if clip.retakes == count]
        scores = (cell(Mean.of([clip.scores[score] for clip in mine])) for score in COLUMNS)
        sections, rendered, outside = (sum(getattr(c, n) for c in mine) for n in ("sections", "rendered", "outside"))
        title = f"retake, {count} other takes" if count else "off"
        cost = (f"{outside / sections:.0%}", f"{rendered / sections:.2f}x")
        table.add_row(title, str(len(mine)), *scores, *cost)
    output.console().print(table)
