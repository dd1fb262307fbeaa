"""``farm simulate``: how the farm would serve a workload on devices that only exist in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import output
from farm.errors import InputError

if TYPE_CHECKING:
    from farm.simulation.report import Report
    from farm.simulation.run import Outcome, Setting

TELL_SECONDS = 2.0
"""A run that takes longer says how far it is."""


def simulate(
    devices: Annotated[
        str, typer.Option(help="Seats as <count>x<class>:<speed>; class cpu takes all but sections.")
    ] = "50xH100:1.0,100x4090:0.6,50x3060:0.3",
    workload: Annotated[
        str, typer.Option(help="chains, mixed, all-kinds, arrivals, burst, saturated or weights; see below.")
    ] = "chains",
    jobs: Annotated[
        int | None, typer.Option(min=1, max=20_000, help="Number of jobs; default: the workload's.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random: same seed, same run.")] = 0,
    policy: Annotated[
        str, typer.Option(help="farm, fifo, affinity, earliest-finish, two-sided or upward-rank.")
    ] = "farm",
    compare: Annotated[bool, typer.Option("--compare", help="Run all policies, one after the other.")] = False,
    faults: Annotated[
        str, typer.Option(help="With commas: node-hourly, blackout, sick, liars, drain; see below.")
    ] = "",
    noise: Annotated[
        float, typer.Option(min=0, max=0.9, help="How far real times are off what is expected, as a share.")
    ] = 0.0,
    latency: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds from a decision to a start; tasks held ahead save it.")
    ] = 0.0,
    mixing: Annotated[
        bool, typer.Option("--mixing/--no-mixing", help="Whether one video may use several device classes.")
    ] = True,
    picture: Annotated[Path | None, typer.Option(help="Write a chart of who did what when as SVG here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers here.")] = None,
    bench: Annotated[bool, typer.Option("--bench", help="Time single decisions instead, on this machine.")] = False,
) -> None:
    """Try the scheduler on a pretended farm: the farm's own decisions, in fake time, with fake seats.

    Answers how long a workload would take on some devices, what more devices would bring, whom faults would hit.
    Speeds are relative: a section takes about 60 s at speed 1, loading a model 45 s, moving a section's inputs 4 s.

    Workloads (with their number of jobs): [bold]chains[/] (300) of 4 to 32 sections; [bold]mixed[/] (300), half of them
    fans; [bold]all-kinds[/] (300) with encoding, decoding and export; [bold]arrivals[/] (300) over time at 0.85 of what
    the farm can do; [bold]burst[/] (300), 250 of one owner at once and 10 of each of five others; [bold]saturated[/]
    (1500); [bold]weights[/] (1000), owners of weights 1, 2 and 4 and a newcomer with one short job.

    Faults: [bold]node-hourly[/] a node dies each hour; [bold]blackout[/] all vanish for two minutes; [bold]sick[/] a
    seat fails all it gets; [bold]liars[/] a tenth of the seats is three times slower than said; [bold]drain[/] a node
    is drained. After every run it is checked that nothing was lost, done twice, left over, or starved.

    Example: farm simulate --devices 4xH100:1.0,8x4090:0.6,8xcpu:0.5 --workload all-kinds --jobs 40 --picture run.svg
    """
    from farm.simulation.farm import Options
    from farm.simulation.policies import POLICIES
    from farm.simulation.run import Setting

    for path, suffix in ((picture, ".svg"), (json_file, ".json")):
        if path is not None and path.suffix.lower() != suffix:
            raise InputError(f"file {path}: expected a name that ends in {suffix}.")
    if bench:
        _bench(json_file)
        return
    setting = Setting(devices, workload, jobs, faults, Options(noise, latency, mixing, seed))
    names = list(POLICIES) if compare else [policy]
    outcomes = [_run(setting, name) for name in names]
    _print([outcome.report for outcome in outcomes])
    if picture is not None:
        _draw(picture, f"{workload}, {devices}, {names[0]}", outcomes[0])
    if json_file is not None:
        _write_json(json_file, _document(setting, [outcome.report for outcome in outcomes]))
    if any(outcome.report.broken for outcome in outcomes):
        raise typer.Exit(1)


def _run(setting: "Setting", policy: str) -> "Outcome":
    from farm.simulation.run import simulate as run

    return run(setting, policy, _teller(policy))


def _teller(policy: str) -> Callable[[int, int], None]:
    """Says on stderr, every two seconds, how many jobs are done."""
    from time import monotonic

    last = monotonic()

    def tell(done: int, jobs: int) -> None:
        nonlocal last
        if monotonic() - last > TELL_SECONDS:
            last = monotonic()
            typer.echo(f"{policy}: {done} of {jobs} jobs done", err=True)

    return tell


def _print(reports: list["Report"]) -> None:
    columns = ("policy", "makespan>", "over bound>", "mean flow>", "p95 flow>", "model loads>", "idle>", "decisions/s>")
    table = output.table(*columns)
    for one in reports:
        times = (f"{one.makespan:.0f} s", f"{one.ratio:.2f}", f"{one.mean_flow:.0f} s", f"{one.p95_flow:.0f} s")
        table.add_row(one.policy, *times, str(one.loads), f"{one.idle:.0%}", f"{one.decisions_per_second:.0f}")
    console = output.console()
    console.print(table)
    for one in reports:
        for line in _details(one):
            console.print(f"{one.policy}: {line}", markup=False)


def _details(one: "Report") -> list[str]:
    lines = []
    if one.shares:
        shares = ", ".join(f"{name} {share:.3f}" for name, share in one.shares.items())
        lines.append(f"owners' shares over what is fair: {shares}")
    if one.newcomer is not None:
        lines.append(f"a newcomer's short job started after {one.newcomer:.1f} s")
    if one.lost or one.failed or one.withdrawn:
        lines.append(f"{one.lost} attempts lost, {one.failed} failed, {one.withdrawn} held ahead and taken back")
    lines += [f"BROKEN: {line}" for line in one.broken] or [
        f"nothing lost, done twice, left over or starved (longest wait {one.longest_wait:.0f} s)"
    ]
    return lines


def _document(setting: "Setting", reports: list["Report"]) -> dict[str, object]:
    from dataclasses import asdict

    return {"setting": asdict(setting), "reports": [one.as_dict() for one in reports]}


def _bench(json_file: Path | None) -> None:
    from dataclasses import asdict

    from farm.simulation.bench import bench

    timings = bench()
    table = output.table("one decision", "takes>", "should take at most>", "starts>")
    for one in timings:
        table.add_row(one.name, f"{one.milliseconds:.1f} ms", f"{one.target:.0f} ms", str(one.starts))
    output.console().print(table)
    if json_file is not None:
        _write_json(json_file, {"timings": [asdict(one) for one in timings]})


def _draw(path: Path, title: str, outcome: "Outcome") -> None:
    from farm.simulation.chart import gantt_svg

    _write(path, gantt_svg(title, outcome.farm.history.spans, outcome.seats))


def _write_json(path: Path, document: dict[str, object]) -> None:
    import json

    _write(path, json.dumps(document, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    from farm.files import written_aside

    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {path}", err=True)
