"""``farm bench gpu``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli import output
from farm.errors import InputError

_COLUMNS = ("section_s", "step_s", "frame_s", "tflop_per_s", "ratio", "relative_error", "peak_gb")
_REST = ("part", "name", "problem", "took_s", "limit_s", *_COLUMNS)


def gpu(
    minutes: Annotated[float, typer.Option(min=0.2, max=240, help="Time for all parts.")] = 8.0,
    device: Annotated[str, typer.Option(help="torch's name of the device.")] = "cuda:0",
    config: Annotated[str, typer.Option(help="13b (the released size), small or tiny.")] = "13b",
    parts: Annotated[
        str, typer.Option(help="Parts, comma-separated: tests, speed, codec, plans, puppet, helios.")
    ] = "tests,speed,codec,plans,puppet,helios",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Keep all figures here, as they come.")
    ] = None,
) -> None:
    """Measure all that a card should answer, in order of worth, within minutes and without weights to download.

    The tests that need a card; a denoising step of the 13B model with random weights at 608x640 on each attention
    backend at hand, compiled, with 8-bit products, beside diffusers' class in turns; decoding; each memory plan; the
    bundled model; a Helios chunk. Each part has a process and a share of the time of its own.

    Example: farm bench gpu --minutes 8 --json gpu.json
    """
    from farm.settings import Settings
    from model.bench.gpu.run import bench_gpu

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InputError(f"{json_file}: its folder does not exist; make it first.")
    wanted = [name.strip() for name in parts.split(",") if name.strip()]
    report = bench_gpu(device, Settings.from_environment().model, config, minutes, wanted, json_file, _tell)
    console = output.console()
    console.print(f"{report['device']['name']}, torch {report['device']['torch']}, {config}")
    table = output.table(
        "part", "", "s/section>", "s/step>", "s/frame>", "TFLOP/s>", "ratio>", "error>", "peak GB>", ""
    )
    for row in report["rows"]:
        if "took_s" not in row:
            rest = {key: value for key, value in row.items() if key not in _REST and value is not None}
            remark = row.get("problem") or ", ".join(f"{key} {_short(value)}" for key, value in rest.items())
            table.add_row(row["part"], row.get("name", ""), *(_short(row.get(key)) for key in _COLUMNS), remark)
    console.print(table)


def _tell(row: dict[str, Any]) -> None:
    """A line at once: what is known so far."""
    typer.echo("  ".join(f"{key}={_short(value)}" for key, value in row.items() if value is not None), err=True)


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
