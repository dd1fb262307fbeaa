"""``farm bench queue`` and ``farm bench dispatch``: what the farm itself costs, beside a reference of the same run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.errors import InputError

if TYPE_CHECKING:
    from farm.cluster.bench_queue import QueueFigures
    from farm.cluster.benches import Spread

DATABASE = typer.Option(
    help="A PostgreSQL database in which schemas may be created and dropped; default: temporary SQLite files.",
    show_default=False,
)
JSON_FILE = typer.Option("--json", metavar="FILE", help="Write the numbers here.")


def queue(
    jobs: Annotated[int, typer.Option(min=1, max=100_000, help="Queued jobs; the reference has 10.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, max=200, help="Rounds with each queue, in turn.")] = 30,
    database: Annotated[str | None, DATABASE] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Time a round of the coordinator with a long queue, beside the same with 10 jobs.

    A round reads what has changed, decides, starts an attempt and commits it, with real rows but no replicas. Each job
    is a video of 20 s with its 36 tasks. 10,000 jobs take a minute to make and 400 MB of disk.

    Example: farm bench queue --database postgresql://postgres@127.0.0.1/postgres
    """
    from farm.cluster.bench_queue import bench_queue

    check_json(json_file)
    report = bench_queue(jobs, database, rounds, tell)
    few, many = report.few, report.many
    rows = [
        ("round", few.round, many.round),
        *((f"  {part}", few.parts[part], many.parts[part]) for part in few.parts),
        ("ready to start", few.ready_to_start, many.ready_to_start),
    ]
    table = output.table(
        f"ms, {report.database}", f"{few.jobs} jobs>", "p99>", f"{many.jobs} jobs>", "p99>", "ratio>", "should be>"
    )
    for name, short, long in rows:
        bar = f"<= {report.bar:g}" if name == "round" else ""
        table.add_row(name, *_pair(short), *_pair(long), f"{long.median / short.median:.2f}", bar)
    for name, read in (("reading all", _full_read), ("reconciling all", _reconcile)):
        table.add_row(name, f"{read(few):.1f}", "", f"{read(many):.0f}", "", f"{read(many) / read(few):.0f}", "")
    output.console().print(table)
    write_json(json_file, report, ratio=report.ratio)


def dispatch(
    replicas: Annotated[int, typer.Option(min=1, max=64, help="Replicas; they sleep, so any number fits.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Length of each video.")] = 60.0,
    section: Annotated[float, typer.Option(min=0.01, max=60, help="Seconds that a section takes.")] = 1.0,
    decode: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a decoding takes.")] = 0.1,
    database: Annotated[str | None, DATABASE] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Render videos with replicas that only sleep: how near the farm comes to the best possible speed-up.

    A real Ray, coordinator, rows and files; three videos, one after the other, in the orders bisect, fanout:5 and
    inverted. Counted from submitting to the end of the export. Beside it the plan's bound, for sections alone; and as
    a share, what a schedule of all the tasks that costs nothing would take. Then how long a ready task waits while a
    replica is free, and how long a replica does nothing between two tasks while the second waits for it; and how long
    a call of Ray's takes that does nothing, of which each such wait holds one.

    Example: farm bench dispatch --replicas 8 --json dispatch.json
    """
    from farm.cluster.bench_dispatch import GAP_BARS, LATENCY_BARS, SHARE_BAR, bench_dispatch
    from farm.cluster.benches import scratch_folder
    from farm.cluster.sleeping import Sleeps
    from farm.service.local_ray import local_ray
    from farm.settings import Settings

    check_json(json_file)
    with scratch_folder() as home, local_ray(Settings.for_home(home).ensure_home(), replicas, tell):
        report = bench_dispatch(home, replicas, seconds, Sleeps(section, decode), database, tell)
    table = output.table(
        f"{replicas} replicas, {report.database}",
        "took>",
        "best>",
        "speed-up>",
        "plan's bound>",
        "share of best>",
        "ready to start, ms>",
        "p99>",
        "gap, ms>",
        "p99>",
    )
    for one in report.videos:
        times = (f"{one.wall:.2f} s", f"{one.ideal:.2f} s", f"{one.speedup:.2f}x", f"{one.bound:.2f}x")
        table.add_row(one.order, *times, f"{one.share:.1%}", *_pair(one.latency), *_pair(one.gap))
    table.add_row("all", "", "", "", "", "", *_pair(report.latency), *_pair(report.gap))
    table.add_row("an empty call of Ray", "", "", "", "", "", *_pair(report.call), "", "")
    most = [f"<= {bar:g}" for bar in (*LATENCY_BARS, *GAP_BARS)]
    table.add_row("should be", "", "", "", "", f">= {SHARE_BAR:.0%}", *most)
    output.console().print(table)
    bars = {"share": SHARE_BAR, "latency": LATENCY_BARS, "gap": GAP_BARS}
    videos = [{"speedup": one.speedup, "share": one.share} for one in report.videos]
    write_json(json_file, report, bars=bars, ratios=videos)


def _full_read(figures: "QueueFigures") -> float:
    return figures.full_read


def _reconcile(figures: "QueueFigures") -> float:
    return figures.reconcile


def _pair(spread: "Spread") -> tuple[str, str]:
    return (f"{spread.median:.1f}", f"{spread.p99:.1f}") if spread.count else ("", "")


def tell(what: str) -> None:
    """Say on stderr what is being done."""
    typer.echo(f"{what} ...", err=True)


def check_json(json_file: Path | None) -> None:
    """InputError for a file of figures that is called something else."""
    if json_file is not None and json_file.suffix.lower() != ".json":
        raise InputError(f"file {json_file}: expected a name that ends in .json.")


def write_json(path: Path | None, report: Any, **more: Any) -> None:
    """The report's fields, ``more``, and how busy the machine was over the last minute, as JSON."""
    import json
    import os
    from dataclasses import asdict

    from farm.files import written_aside

    if path is None:
        return
    more["machine"] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(asdict(report) | more, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"wrote {path}", err=True)
