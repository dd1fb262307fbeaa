"""The ``farm`` command: collects the commands of its sibling modules, which import what is heavy only when called."""

import sys
from typing import Annotated

import typer

from farm.cli import (
    bench,
    disk,
    doctor,
    errors,
    jobs,
    joining,
    models,
    nodes,
    owners,
    plan,
    plugins,
    render,
    service,
    simulate,
    takes,
    train,
)

app = typer.Typer(
    name="farm",
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: [bold]farm render[/] picture.png --prompt 'The puppet waves' --seconds 5",
)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; works anywhere on the line.")] = False,
) -> None:
    """Render long videos section by section on every device there is; nothing finished is ever lost."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"framepack-farm {installed('framepack-farm')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


# In the order in which `farm --help` lists them.
PANELS = {
    "Render here": (render.render, plan.plan),
    "Run a farm": (
        service.up,
        service.down,
        joining.join,
        joining.leave,
        service.open_dashboard,
        nodes.drain,
        nodes.undrain,
        disk.disk,
        doctor.doctor,
        jobs.token,
        simulate.simulate,
    ),
    "Use a farm": (
        jobs.submit,
        takes.fork,
        takes.redo,
        jobs.jobs,
        jobs.show,
        jobs.watch,
        jobs.fetch,
        jobs.change,
        jobs.cancel,
        jobs.pause,
        jobs.resume,
        jobs.retry,
        jobs.delete,
    ),
    "Extend": (models.models, models.loras, plugins.presets, plugins.plugins),
}
NAMES: dict[object, str] = {service.open_dashboard: "open"}
IMPROVE, RUN = "Improve the model", "Run a farm"
GROUPS = {
    "nodes": (nodes.nodes_app, RUN),
    "owners": (owners.owners_app, RUN),
    "train": (train.train_app, IMPROVE),
    "bench": (bench.bench_app, IMPROVE),
}

for panel, commands in PANELS.items():
    for command in commands:
        app.command(NAMES.get(command), rich_help_panel=panel)(command)
for group, (sub_app, panel) in GROUPS.items():
    app.add_typer(sub_app, name=group, rich_help_panel=panel)


def main(args: list[str] | None = None) -> int:
    """Run one command line; return its exit code."""
    arguments = sys.argv[1:] if args is None else args
    return errors.run(lambda line: app(list(line), prog_name="farm", standalone_mode=False), arguments)
