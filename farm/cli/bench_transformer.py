"""``farm bench transformer``."""

from typing import Annotated

import typer

from farm.cli import output


def transformer(
    config: Annotated[
        str, typer.Option(help="tiny, small or 13b (the released size, 608x640, on a GPU); helios-tiny, -small, -14b.")
    ] = "small",
    device: Annotated[str, typer.Option(help="torch's name of the device, such as cuda:0.")] = "cpu",
    steps: Annotated[int, typer.Option(min=1, max=100, help="Denoising steps of the section.")] = 10,
    compiled: Annotated[bool, typer.Option("--compiled", help="Measure compiled blocks too.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="torch threads on the CPU.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Sections of each variant, after one that warms up.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time and peak memory of a denoising step beside diffusers' class, both with the same random weights.

    All variants have the very same weights and take turns, a step of each, in one process; memory is that of a process
    of its own. Time per step includes the section's constant work, shared out over its steps; "later step" does not.
    On a GPU weights are bf16 and a third row leaves those that only work ahead of the steps on the host.

    Example: farm bench transformer --config 13b --device cuda:0 --steps 25
    """
    from model.bench.transformer import VARIANTS, compare

    variants = ["diffusers", "packed"]
    if device.startswith("cuda"):
        variants.append("packed-away")
    if compiled:
        variants.append("packed-compiled")
    found = compare(config, device, steps, tuple(variants), threads, rounds)
    base = found.rows[0]
    rows = [
        {
            "variant": row.variant,
            "seconds_per_step": row.seconds,
            "seconds_per_later_step": row.step_seconds,
            "ratio": row.ratio,
            "tflop_per_second": found.tflop / row.seconds,
            "peak_gb": row.peak_gb,
            "memory_ratio": row.peak_gb / base.peak_gb,
            "attention": row.attention,
            "largest_difference": row.difference,
        }
        for row in found.rows
    ]
    if as_json:
        output.print_json({"config": config, "device": device, "steps": steps, "tflop": found.tflop, "rows": rows})
        return
    table = output.table(
        "", "s/step>", "later step>", "time ratio>", "TFLOP/s>", "peak GB>", "memory ratio>", "attention", "off by>"
    )
    for row, measured in zip(rows, found.rows, strict=True):
        table.add_row(
            VARIANTS[measured.variant],
            f"{row['seconds_per_step']:.3f}",
            f"{row['seconds_per_later_step']:.3f}",
            f"{row['ratio']:.3f}",
            f"{row['tflop_per_second']:.2f}",
            f"{row['peak_gb']:.2f}",
            f"{row['memory_ratio']:.2f}",
            measured.attention,
            f"{row['largest_difference']:.2g}",
        )
    output.console().print(table)
    output.console().print(f"{config} on {device}, {steps} steps, {found.tflop:.4g} TFLOP per step")
