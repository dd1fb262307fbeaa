"""``farm bench quality``: whether faults in videos are found where they are, and clean ones are left in peace."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output

from .bench_farm import JSON_FILE, check_json, tell, write_json

NAMED_BAR, ALARMS_BAR = 0.95, 0.02
"""Least share of planted faults that are named at their section; most alarms for each clean section."""


def quality(
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Held-out clips of 8 sections.")] = 40,
    first: Annotated[int, typer.Option(min=0, help="Number of the first of them.")] = 1000,
    resolution: Annotated[int, typer.Option(min=16, max=512, help="Height and width of the clips, in pixels.")] = 128,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Plant each kind of fault into true clips of puppets that no model has seen, and count what is found: beside the
    first section, once all are decoded, and at the gate, by what is known when a section is rendered.

    Example: farm bench quality --clips 100 --json quality.json
    """
    from model.quality.calibration import Calibration, calibrate

    check_json(json_file)
    made = Calibration()
    for made in calibrate(clips, first, resolution):
        if made.clips % 10 == 0:
            tell(f"{made.clips} of {clips} clips")
    table = output.table(
        "fault", "planted>", "named at its section>", "alarms in clean clips>", "at the gate>", "alarms>"
    )
    for kind, planted in made.planted.items():
        gate = (f"{made.gate_found[kind] / planted:.0%}", str(made.gate_alarms[kind]))
        table.add_row(kind, str(planted), f"{made.found[kind] / planted:.0%}", str(made.alarms[kind]), *gate)
    alarms = f"{made.false_alarms:.1%} of {made.pieces} sections"
    named = f"{made.named:.1%} (>= {NAMED_BAR:.0%})"
    gate = (f"{made.gate_named:.1%}", f"{made.gate_false_alarms:.1%}")
    table.add_row("all", str(sum(made.planted.values())), named, f"{alarms} (<= {ALARMS_BAR:.0%})", *gate)
    output.console().print(table)
    figures = {"named": made.named, "false_alarms": made.false_alarms, "gate_named": made.gate_named}
    figures["gate_false_alarms"] = made.gate_false_alarms
    write_json(json_file, made, **figures, bars=[NAMED_BAR, ALARMS_BAR])
