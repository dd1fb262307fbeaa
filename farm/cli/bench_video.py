"""``farm bench video``."""

from pathlib import Path
from typing import Annotated

import typer

from farm.cli import output
from farm.cli.bench_farm import JSON_FILE, check_json, tell, write_json


def video(
    seconds: Annotated[
        list[float] | None, typer.Option(min=1, max=600, help="Length of a video; several are rendered in turn.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, max=64, help="Replicas, a core each.")] = 2,
    model: Annotated[str, typer.Option(help="A model that is on this machine.")] = "puppet",
    order: Annotated[str, typer.Option(help="Of the sections.")] = "bisect",
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Render real videos on one replica and on several: how near the farm comes to the best possible speed-up.

    A real Ray, coordinator and model. Counted from submitting to the end of the export. The share of the best compares
    with a schedule of the very same tasks, each as long as it took, that costs nothing: what is missing, the farm
    wastes. Replicas of one machine hold each other up, too: sections then take longer than they do alone, which no
    farm can help, and which the speed-up shows. So do more replicas than cores.

    Example: farm bench video --seconds 36 --seconds 60 --json video.json
    """
    from farm.cluster.bench_video import SHARE_BAR, bench_video
    from farm.cluster.benches import scratch_folder
    from farm.service.local_ray import local_ray

    check_json(json_file)
    lengths = tuple(seconds or (36.0, 60.0))
    with scratch_folder() as home:
        report = bench_video(
            home, lambda settings, count: local_ray(settings, count, tell), replicas, lengths, model, order, tell
        )
    title = f"{report.family}, {report.order}, {replicas} replicas"
    table = output.table(title, *(f"{one.seconds:g} s>" for one in report.videos), "should be>")
    for name, values, bar in (
        ("sections", [str(one.sections) for one in report.videos], ""),
        ("on one replica", [f"{one.alone:.1f} s" for one in report.videos], ""),
        ("on all", [f"{one.wall:.1f} s" for one in report.videos], ""),
        ("the same tasks, were the farm free", [f"{one.ideal:.1f} s" for one in report.videos], ""),
        ("  share of that", [f"{one.share:.1%}" for one in report.videos], f">= {SHARE_BAR:.0%}"),
        ("speed-up", [f"{one.speedup:.2f}x" for one in report.videos], ""),
        ("  the plan's bound", [f"{one.bound:.2f}x" for one in report.videos], ""),
        ("  share of that", [f"{one.of_bound:.1%}" for one in report.videos], f">= {SHARE_BAR:.0%}"),
        ("a section, beside the others and alone", [f"{one.slower:.2f}x" for one in report.videos], ""),
        ("from the last section to the end", [f"{one.trail:.2f} s" for one in report.videos], ""),
    ):
        table.add_row(name, *values, bar)
    output.console().print(table)
    shares = [{"share": one.share, "speedup": one.speedup, "of_bound": one.of_bound} for one in report.videos]
    write_json(json_file, report, ratios=shares)
