"""``farm bench stream``."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output
from farm.cli.bench_farm import DATABASE, JSON_FILE, check_json, tell, write_json


def stream(
    replicas: Annotated[int, typer.Option(min=1, max=64, help="Replicas; their models sleep, so any number fits.")] = 2,
    seconds: Annotated[float, typer.Option(min=3, max=600, help="Length of the video.")] = 36.0,
    section: Annotated[float, typer.Option(min=0.01, max=60, help="Seconds that a section takes.")] = 0.5,
    decode: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a decoding takes.")] = 0.1,
    height: Annotated[int, typer.Option(min=64, max=2048, help="Of the frames, in pixels.")] = 384,
    width: Annotated[int, typer.Option(min=64, max=2048, help="Of the frames, in pixels.")] = 640,
    database: Annotated[str | None, DATABASE] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Render one video from first to last with a quick model that sleeps: how much of the time it renders.

    A real Ray, coordinator, rows, latents, previews, frames and clips; sizes and times are those of a distilled Helios
    on an H100. Each section needs the one before, so no more than one replica can render at a time, and what the farm
    does between two sections is time that its device does nothing. The video is decoded elsewhere meanwhile.

    Example: farm bench stream --json stream.json
    """
    from farm.cluster.bench_stream import SHARE_BAR, bench_stream
    from farm.cluster.benches import scratch_folder
    from farm.cluster.sleeping import Sleeps
    from farm.service.local_ray import local_ray
    from farm.settings import Settings

    check_json(json_file)
    with scratch_folder() as home, local_ray(Settings.for_home(home).ensure_home(), replicas, tell):
        report = bench_stream(home, replicas, seconds, Sleeps(section, decode), (height, width), database, tell)
    table = output.table(f"{report.sections} sections of {section:g} s, {report.database}", ">", "p99>", "should be>")
    table.add_row("share of the time in which the model renders", f"{report.share:.1%}", "", f">= {SHARE_BAR:.0%}")
    for title, spread in (
        ("between two sections, ms", report.pauses),
        ("of that, the section's own files, ms", report.writing),
        ("from a section to its clip, ms", report.lag),
    ):
        table.add_row(title, f"{spread.median:.0f}", f"{spread.p99:.0f}", "")
    table.add_row("of the last section, ms", f"{report.last_lag:.0f}", "", "")
    table.add_row("decodings that kept no section waiting", f"{report.beside:.0%}", "", "100%")
    output.console().print(table)
    for name, (sections, decodings) in report.places.items():
        output.console().print(f"{name}: {sections} sections, {decodings} decodings", markup=False)
    write_json(json_file, report)
