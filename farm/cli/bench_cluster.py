"""``farm bench replicas`` and ``farm bench mixed``: farms of many replicas, and of unlike ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import output
from farm.cli.bench_farm import DATABASE, JSON_FILE, check_json, tell, write_json
from farm.errors import InputError

if TYPE_CHECKING:
    from farm.cluster.bench_replicas import Window

MOST_SPEEDS = 16


def replicas(
    count: Annotated[int, typer.Option("--replicas", min=1, max=10_000, help="Replicas; the reference has 10.")] = 1000,
    changes: Annotated[float, typer.Option(min=0.1, max=1000, help="Attempts that end a second, in both.")] = 2.0,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long each window lasts.")] = 20.0,
    database: Annotated[str | None, DATABASE] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Time rounds of the coordinator with many replicas, and count the rows that it writes, beside the same with 10.

    The whole coordinator, real rows and files, no Ray: replicas are objects that wait. First there is nothing to do,
    then all are given their first task, then as many tasks end a second on both farms, each of which reports 25 steps.

    Example: farm bench replicas --database postgresql://postgres@127.0.0.1/postgres
    """
    from farm.cluster.bench_replicas import bench_replicas

    check_json(json_file)
    report = bench_replicas(count, changes, seconds, database, tell)
    table = output.table(
        f"{report.database}", "replicas>", "round, ms>", "longest>", "rows/s>", "tasks ended/s>", "core used>"
    )
    for title, name in (("nothing to do", "idle"), ("first tasks", "start"), ("at work", "work")):
        for figures in (report.few, report.many):
            table.add_row(title, str(figures.replicas), *_cells(getattr(figures, name)))
    longest, rows = report.bars
    table.add_row("should be", "", "", f"<= {longest:g}", "", "", "")
    output.console().print(table)
    told = f"rows for a task that ended, many over few: {report.ratio:.2f} (should be <= {rows:g})"
    output.console().print(told, markup=False)
    write_json(json_file, report, ratio=report.ratio)


def mixed(
    speeds: Annotated[str, typer.Option(help="Of the replicas, with commas; 1 takes what --section says.")] = (
        "1,0.5,0.25"
    ),
    jobs: Annotated[int, typer.Option(min=1, max=100, help="Videos at once.")] = 8,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Length of each video.")] = 15.0,
    order: Annotated[str, typer.Option(help="Of their sections; default: the model's own.", show_default=False)] = "",
    section: Annotated[float, typer.Option(min=0.01, max=60, help="Seconds that a section takes at speed 1.")] = 1.0,
    decode: Annotated[float, typer.Option(min=0, max=60, help="Seconds that a decoding takes at speed 1.")] = 0.1,
    database: Annotated[str | None, DATABASE] = None,
    json_file: Annotated[Path | None, JSON_FILE] = None,
) -> None:
    """Render videos with replicas of unlike speeds that only sleep, beside the simulator's earliest finish.

    A real Ray, coordinator, rows and files. The farm is not told the speeds: it learns them from a video before.

    Example: farm bench mixed --speeds 1,0.5,0.25 --json mixed.json
    """
    from farm.cluster.bench_mixed import RATIO_BAR, bench_mixed
    from farm.cluster.benches import scratch_folder
    from farm.cluster.sleeping import Sleeps
    from farm.service.local_ray import local_ray
    from farm.settings import Settings

    check_json(json_file)
    given = parse_speeds(speeds)
    with scratch_folder() as home, local_ray(Settings.for_home(home).ensure_home(), len(given), tell):
        report = bench_mixed(home, given, jobs, seconds, Sleeps(section, decode), order, database, tell)
    columns = ("took>", "earliest finish>", "bound>", "ratio>", "should be>")
    table = output.table(f"{jobs} videos of {seconds:g} s, {report.database}", *columns)
    times = (f"{value:.2f} s" for value in (report.wall, report.simulated, report.bound))
    table.add_row(f"speeds {speeds}", *times, f"{report.ratio:.3f}", f"<= {RATIO_BAR:g}")
    output.console().print(table)
    shares = ", ".join(f"{count} at {speed:g}" for count, speed in zip(report.sections, report.speeds, strict=True))
    output.console().print(f"sections: {shares}", markup=False)
    write_json(json_file, report, ratio=report.ratio)


def parse_speeds(text: str) -> tuple[float, ...]:
    """Raises InputError for what is no list of speeds."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or len(found) > MOST_SPEEDS or not all(0.01 <= speed <= 100 for speed in found):
        raise InputError(
            f"speeds {text!r}: expected up to {MOST_SPEEDS} numbers from 0.01 to 100 with commas, such as 1,0.5,0.25."
        )
    return found


def _cells(window: "Window") -> tuple[str, ...]:
    rounds = window.rounds
    return f"{rounds.median:.1f}", f"{rounds.p99:.1f}", f"{window.rows:.1f}", f"{window.ends:.1f}", f"{window.busy:.0%}"
