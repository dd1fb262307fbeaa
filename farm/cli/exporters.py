"""``farm exporters``: output formats, post-processors, and their options."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Here, Token, Url, described
from farm.errors import unknown_name

if TYPE_CHECKING:
    from farm.client import FarmClient
    from plugins.manager import Offered

Row = Mapping[str, Any]


def exporters(
    name: Annotated[str | None, typer.Argument(help="One of them: shows its options.")] = None,
    here: Here = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List output formats and post-processors of the farm, else of this machine, or the options of one; those that
    can't be used say why.

    Example: farm exporters webm
    """
    with described(url, token, here) as client:
        found = _of_farm(client) if client is not None else _of_this_machine()
        if name is not None:
            named = {row["name"]: row for row in found}
            if name.strip().lower() not in named:
                raise unknown_name("exporter", name, list(named))
            found = [named[name.strip().lower()]]
        if as_json:
            output.print_json(found)
        elif name is not None:
            _print_options(found[0])
        else:
            _print(found)


def _of_farm(client: "FarmClient") -> list[Row]:
    formats = [{"kind": "exporter", "unusable": row["unavailable"], **row} for row in client.exporters()]
    return formats + [{"kind": "post-processor", **row} for row in client.post_processors()]


def _of_this_machine() -> list[Row]:
    from plugins.manager import get_manager

    manager = get_manager()
    return [_facts(one) for one in (*manager.exporters.values(), *manager.post_processors.values())]


def _facts(one: "Offered") -> Row:
    options = [vars(option) for option in one.options]
    return {**asdict(one), "kind": one.kind, "unusable": one.unusable, "options": options}


def _print(found: Sequence[Row]) -> None:
    table = output.table("Exporter", "File", "Sound", "What it is")
    post = output.table("--post", "What frames pass on their way to the file")
    for row in found:
        title = output.plain(row["title"])
        if row["unusable"]:
            title = f"[red]can't be used:[/] {output.plain(row['unusable'])}"
        if row["kind"] == "exporter":
            sound = "yes" if row["carries_sound"] else ""
            table.add_row(output.plain(row["name"]), output.plain(row["extension"]), sound, title)
        else:
            post.add_row(output.plain(row["name"]), title)
    output.console().print(table)
    output.console().print(post)


def _print_options(row: Row) -> None:
    console = output.console()
    name = f"{row['name']} ({row.get('extension') or row['kind']})"
    console.print(f"{name}: {row['title']}".rstrip(": "), markup=False)
    if row["unusable"]:
        console.print(f"can't be used: {row['unusable']}", style="red", markup=False)
    table = output.table("Option", "Values", "Default", "What it is")
    for option in row["options"]:
        default = "" if option["default"] is None else str(option["default"]).lower()
        table.add_row(*map(output.plain, (option["name"], _values(option), default, option["description"])))
        for choice, reason in option["disabled"].items():
            unusable = f"[red]can't be used:[/] {output.plain(reason)}"
            table.add_row("", f"[red]{output.plain(choice)}[/]", "", unusable)
    console.print(table if row["options"] else "It has no options.")


def _values(option: Row) -> str:
    if option["choices"]:
        return ", ".join(option["choices"])
    if option["kind"] in ("integer", "number") and option["minimum"] is not None and option["maximum"] is not None:
        return f"{option['minimum']:g} to {option['maximum']:g}"
    return {"boolean": "true, false", "string": "text"}.get(option["kind"], "number")
