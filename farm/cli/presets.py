"""``farm presets``: which there are, what is broken and why."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Here, Token, Url, described
from farm.errors import InputError


class PresetAction(StrEnum):
    LIST = "list"
    SHOW = "show"
    CHECK = "check"


def presets(
    action: Annotated[PresetAction, typer.Argument(help="list all, show one, or check a file.")] = PresetAction.LIST,
    target: Annotated[str | None, typer.Argument(help="A preset's name (show) or a TOML file (check).")] = None,
    here: Here = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List presets and broken preset files of the farm, else of this machine; show one; check a file before using it.

    Example: farm presets show dance
    """
    if action is PresetAction.CHECK:
        if target is None:
            raise InputError("`farm presets check` needs a file.")
        _check(Path(target), as_json)
        return
    if action is PresetAction.LIST and target is not None:
        raise InputError(f"`farm presets list` takes no name; use `farm presets show {target}`.")
    if action is PresetAction.SHOW and target is None:
        raise InputError("`farm presets show` needs a name.")
    with described(url, token, here) as client:
        found = client.presets() if client else _of_this_machine()
        one = None if target is None else _named(found["presets"], target)
    if one is not None:
        _print_one(one, as_json)
    elif as_json:
        output.print_json(found)
    else:
        _print_all(found)


def _of_this_machine() -> dict[str, Any]:
    """As ``GET /presets`` answers."""
    from plugins.manager import get_manager

    catalog = get_manager().presets
    rows = [
        {**preset.model_dump(mode="json"), "source": catalog.sources[preset.name]}
        for preset in catalog.presets.values()
    ]
    return {"presets": rows, "broken": [{"path": str(entry.path), "reason": entry.reason} for entry in catalog.broken]}


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from farm.errors import unknown_name

    found = next((row for row in rows if row["name"].casefold() == name.strip().casefold()), None)
    if found is None:
        raise unknown_name("preset", name, [row["name"] for row in rows])
    return found


def _check(path: Path, as_json: bool) -> None:
    from plugins.presets import read_preset

    _print_one({**read_preset(path).model_dump(mode="json"), "source": str(path)}, as_json)
    if not as_json:
        output.console().print("ok", style="green")


def _print_all(found: dict[str, Any]) -> None:
    table = output.table("Preset", "Values", "What it is for", "From")
    for preset in found["presets"]:
        values = ", ".join(f"{key} {value}" for key, value in preset["values"].items())
        table.add_row(*map(output.plain, (preset["name"], values, preset["description"], preset["source"])))
    console = output.console()
    console.print(table)
    for entry in found["broken"]:
        console.print(f"broken: {entry['reason']}", style="red", markup=False, soft_wrap=True)


def _print_one(preset: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(preset)
        return
    console = output.console()
    console.print(preset["name"], style="bold", markup=False)
    console.print(preset["description"], markup=False)
    console.print(f"from: {preset['source']}", style="dim", markup=False, soft_wrap=True)
    for key, value in preset["values"].items():
        console.print(f"  {key} = {str(value).lower() if isinstance(value, bool) else repr(value)}", markup=False)
    for prompt in preset["prompts"]:
        console.print(f"  example: {prompt}", markup=False, soft_wrap=True)
