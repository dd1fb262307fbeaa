"""``farm bench store``: what it costs to have the artifacts at the head, beside a folder."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output

from .bench_farm import JSON_FILE, check_json, tell, write_json


def store(
    sections: Annotated[int, typer.Option(min=1, max=500, help="Sections of the job.")] = 50,
    section: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a section takes.")] = 2.0,
    decode: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a decoding takes.")] = 0.5,
    export: Annotated[float, typer.Option(min=0, max=60, help="Seconds that writing a chunk takes.")] = 0.2,
    latents: Annotated[float, typer.Option(min=0.01, max=100, help="MB of a section's latents.")] = 3.5,
    chunk: Annotated[float, typer.Option(min=0.01, max=1000, help="MB of a decoded chunk.")] = 42.0,
    folder: Annotated[Path | None, typer.Option(help="Where to work; default: a temporary folder.")] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Time files and a job with the head's store over HTTP, beside a local folder.

    Single steps in turns, then a job whose work only sleeps: one node renders and exports, another decodes. The head
    is another process on loopback, so the network itself is not in it. Needs 190 MB a section, and 4 GB.

    Example: farm bench store --json store.json
    """
    from farm.api.bench_store import BAR, Sizes, bench_store
    from farm.processes import scratch_folder

    check_json(json_file)
    sizes = Sizes(round(latents * 1e6), round(chunk * 1e6))
    with scratch_folder("bench", folder) as home:
        report = bench_store(Path(home), sections, (section, decode, export), sizes, tell)
    table = output.table("", "MB>", "folder>", "HTTP>", "ratio>", "should be>")
    for step in report.steps:
        times = (f"{1000 * step.folder:.1f} ms", f"{1000 * step.http:.1f} ms")
        table.add_row(step.name, f"{step.size / 1e6:g}", *times, f"{step.ratio:.2f}", "")
    jobs = (f"{report.jobs['folder']:.2f} s", f"{report.jobs['http']:.2f} s")
    table.add_row(f"a job of {sections} sections", "", *jobs, f"{report.ratio:.3f}", f"<= {BAR:g}")
    output.console().print(table)
    ratios = {step.name: round(step.ratio, 3) for step in report.steps}
    write_json(json_file, report, bar=BAR, ratio=report.ratio, ratios=ratios)
