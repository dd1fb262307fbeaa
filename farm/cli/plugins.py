"""``farm plugins``: what there is, what is broken and why."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Here, Token, Url, connect, described
from farm.errors import InputError, PluginError, unknown_name
from farm.units import counted


class PluginAction(StrEnum):
    LIST = "list"
    NEW = "new"
    CHECK = "check"
    RELOAD = "reload"


def plugins(
    action: Annotated[
        PluginAction, typer.Argument(help="list all, begin a new one, check one, have a running farm look again.")
    ] = PluginAction.LIST,
    target: Annotated[
        str | None,
        typer.Argument(help="new: its name; check: a file, a folder, or the name of a known one.", show_default=False),
    ] = None,
    kind: Annotated[str, typer.Option(help="new: exporter or preset.")] = "exporter",
    into: Annotated[Path, typer.Option(help="new: the folder in which to put it.")] = Path("."),
    here: Here = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List plug-ins of the farm, else of this machine: what they offer, and why broken ones are disabled.

    A new one is a small, working, tested package. Checking one runs it in a process of its own and says what is wrong,
    with file and line. A running farm sees new and changed files by itself; after installing a package, reload.

    Example: farm plugins new my-format; farm plugins check farm-my-format
    """
    if action in (PluginAction.NEW, PluginAction.CHECK) and target is None:
        raise InputError(f"`farm plugins {action}` needs a {'name' if action is PluginAction.NEW else 'file or name'}.")
    if action in (PluginAction.LIST, PluginAction.RELOAD) and target is not None:
        raise InputError(f"{target!r}: `farm plugins {action}` takes no name.")
    if action is PluginAction.NEW:
        _new(str(target), kind, into)
    elif action is PluginAction.CHECK:
        _check(str(target), as_json)
    elif action is PluginAction.RELOAD:
        with connect(url, token) as client:
            _print(client.reload_plugins(), as_json)
    else:
        with described(url, token, here) as client:
            _print(client.plugins() if client else _of_this_machine(), as_json)


def _new(name: str, kind: str, into: Path) -> None:
    from plugins.scaffold import KINDS, write_plugin

    if kind not in KINDS:
        raise unknown_name("kind of plug-in", kind, list(KINDS))
    written = write_plugin(name, kind, into)
    for path in written:
        typer.echo(path)
    folder = written[0].parent
    typer.echo(f"next: farm plugins check {folder}; pytest {folder}; pip install -e {folder}", err=True)


def _check(target: str, as_json: bool) -> None:
    from dataclasses import asdict

    from farm.settings import Settings
    from plugins.checking import check, sources_at

    sources, paths = sources_at(target, Settings.from_environment().plugins_dir)
    reports = {source.name: check(source, paths) for source in sources}
    problems = [f"{name}: {problem}" for name, report in reports.items() for problem in report.problems]
    if as_json:
        output.print_json({name: asdict(report) for name, report in reports.items()})
    else:
        for report in reports.values():
            for line in report.done:
                output.console().print(f"ok: {line}", style="green", markup=False, soft_wrap=True)
            for note in report.notes:
                output.console().print(f"note: {note}", markup=False, soft_wrap=True)
        for line in problems:
            output.console().print(line, style="red", markup=False, soft_wrap=True)
    if problems:
        raise PluginError(f"{counted(len(problems), 'problem')} in {target}")


def _print(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    table = output.table("Plug-in", "State", "Offers / reason", "From")
    for info in found:
        state = "[green]on[/]" if info["enabled"] else "[red]disabled[/]"
        at = f" ({info['where']})" if info["where"] else ""
        said = (", ".join(info["offers"]) or "nothing") if info["enabled"] else f"{info['reason']}{at}"
        name = f"{info['name']} {info['version']}".strip()
        table.add_row(output.plain(name), state, output.plain(said), output.plain(info["source"]))
    output.console().print(table)


def _of_this_machine() -> list[dict[str, Any]]:
    """As ``GET /plugins`` answers; disabled ones are tried again, which only the answer tells of."""
    from plugins.manager import get_manager, log

    log.disabled = True
    try:
        return [vars(info) for info in get_manager(again=True).plugins]
    finally:
        log.disabled = False
