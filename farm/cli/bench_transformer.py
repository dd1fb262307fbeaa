"""``farm bench transformer``."""

from typing import Annotated

import typer

from farm.cli import output


def transformer(
    config: Annotated[str, typer.Option(help="tiny, small or 13b (the released size, 608x640, on a GPU).")] = "small",
    device: Annotated[str, typer.Option(help="torch's name of the device, such as cuda:0.")] = "cpu",
    steps: Annotated[int, typer.Option(min=1, max=100, help="Denoising steps of the section.")] = 10,
    compiled: Annotated[bool, typer.Option("--compiled", help="Measure compiled blocks too.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="torch threads on the CPU.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time and peak memory of a denoising step beside diffusers' class, both with the same random weights.

    Each variant runs one section in a process of its own. Time per step includes the section's constant work, shared
    out over its steps; "later step" does not. On a GPU weights are bf16 and a third row leaves those that only work
    ahead of the steps on the host.

    Example: farm bench transformer --config 13b --device cuda:0 --steps 25
    """
    from model.transformer.benchmark import VARIANTS, compare

    variants = ["diffusers", "packed"]
    if device.startswith("cuda"):
        variants.append("packed-away")
    if compiled:
        variants.append("packed-compiled")
    measured = compare(config, device, steps, tuple(variants), threads)
    base = measured[0]
    rows = [
        {
            "variant": row.variant,
            "seconds_per_step": row.seconds,
            "seconds_per_later_step": row.step_seconds,
            "speedup": base.seconds / row.seconds,
            "tflop_per_second": base.tflop / row.seconds,
            "peak_gb": row.peak_gb,
            "memory_ratio": row.peak_gb / base.peak_gb,
            "attention": row.attention,
            "largest_difference": row.difference(base),
        }
        for row in measured
    ]
    if as_json:
        output.print_json({"config": config, "device": device, "steps": steps, "tflop": base.tflop, "rows": rows})
        return
    table = output.table(
        "", "s/step>", "later step>", "speed-up>", "TFLOP/s>", "peak GB>", "ratio>", "attention", "off by>"
    )
    for row, found in zip(rows, measured, strict=True):
        table.add_row(
            VARIANTS[found.variant],
            f"{row['seconds_per_step']:.3f}",
            f"{row['seconds_per_later_step']:.3f}",
            f"{row['speedup']:.2f}x",
            f"{row['tflop_per_second']:.2f}",
            f"{row['peak_gb']:.2f}",
            f"{row['memory_ratio']:.2f}",
            found.attention,
            f"{row['largest_difference']:.2g}",
        )
    output.console().print(table)
    output.console().print(f"{config} on {device}, {steps} steps, {base.tflop:.4g} TFLOP per step")
