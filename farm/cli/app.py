"""The ``farm`` command: collects the commands of its sibling modules, which import what is heavy only when called."""

import inspect
import re
import sys
from typing import Annotated

import typer

from farm.cli import (
    acting,
    bench,
    changing,
    disk,
    doctor,
    errors,
    exporters,
    jobs,
    joining,
    models,
    nodes,
    notices,
    owners,
    plan,
    plugins,
    presets,
    quality,
    render,
    results,
    service,
    simulate,
    storyboard,
    submit,
    takes,
    train,
    users,
)

app = typer.Typer(
    name="farm",
    add_completion=True,
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
        notices.notices,
        doctor.doctor,
        users.token,
        simulate.simulate,
    ),
    "Use a farm": (
        submit.submit,
        storyboard.storyboard,
        takes.fork,
        takes.redo,
        takes.promote,
        takes.export,
        jobs.jobs,
        jobs.show,
        jobs.watch,
        results.fetch,
        results.logs,
        quality.quality,
        changing.change,
        changing.move,
        acting.cancel,
        acting.pause,
        acting.resume,
        acting.retry,
        acting.delete,
    ),
    "Extend": (models.models, models.loras, presets.presets, plugins.plugins, exporters.exporters),
}
NAMES: dict[object, str] = {service.open_dashboard: "open"}
IMPROVE, RUN = "Improve the model", "Run a farm"
GROUPS = {
    "nodes": (nodes.nodes_app, RUN),
    "owners": (owners.owners_app, RUN),
    "users": (users.users_app, RUN),
    "train": (train.train_app, IMPROVE),
    "bench": (bench.bench_app, IMPROVE),
}

for panel, commands in PANELS.items():
    for command in commands:
        app.command(NAMES.get(command), rich_help_panel=panel)(command)
for group, (sub_app, panel) in GROUPS.items():
    app.add_typer(sub_app, name=group, rich_help_panel=panel)


def _explain(commands: typer.Typer) -> None:
    """Give each command its docstring as help: paragraphs in one line each, since terminals are narrower than source,
    and brackets as what they are, not as markup."""
    for command in commands.registered_commands:
        text = inspect.cleandoc(command.callback.__doc__ or "") if command.callback else ""
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", text).replace("[", "\\[")
    for group in commands.registered_groups:
        if group.typer_instance:
            _explain(group.typer_instance)


_explain(app)


def main(args: list[str] | None = None) -> int:
    """Run one command line; return its exit code."""
    arguments = sys.argv[1:] if args is None else args
    return errors.run(lambda line: app(list(line), prog_name="farm", standalone_mode=False), arguments)
