"""``farm presets`` and ``farm plugins``: what there is, what is broken and why."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from farm.errors import InputError

if TYPE_CHECKING:
    from plugins.presets import Preset

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class PresetAction(StrEnum):
    LIST = "list"
    SHOW = "show"
    CHECK = "check"


class PluginAction(StrEnum):
    LIST = "list"


def presets(
    action: Annotated[PresetAction, typer.Argument(help="list all, show one, or check a file.")] = PresetAction.LIST,
    target: Annotated[str | None, typer.Argument(help="A preset's name (show) or a TOML file (check).")] = None,
    json: JSON = False,
) -> None:
    """List presets and broken preset files; show one; check a preset file before using it."""
    from plugins.manager import get_manager
    from plugins.presets import read_preset

    if action is PresetAction.LIST:
        if target is not None:
            raise InputError(f"`farm presets list` takes no name; use `farm presets show {target}`.")
        _list_presets(json)
    elif target is None:
        raise InputError(f"`farm presets {action}` needs a {'name' if action is PresetAction.SHOW else 'file'}.")
    elif action is PresetAction.SHOW:
        catalog = get_manager().presets
        preset = catalog.get(target)
        _print_preset(preset, catalog.sources[preset.name], json)
    else:
        _print_preset(read_preset(Path(target)), target, json)
        if not json:
            _console().print("ok", style="green")


def plugins(
    action: Annotated[PluginAction, typer.Argument(help="list.")] = PluginAction.LIST, json: JSON = False
) -> None:
    """List plug-ins, what they offer, and why broken ones are disabled. Disabled ones are tried again."""
    from plugins.manager import get_manager

    found = get_manager(again=True).plugins
    if json:
        _console().print_json(data=[vars(info) for info in found])
        return
    table = _table("Plug-in", "State", "Offers / reason", "From")
    for info in found:
        state = "[green]on[/]" if info.enabled else "[red]disabled[/]"
        offers = ", ".join(info.offers) or "nothing"
        table.add_row(
            f"{info.name} {info.version}".strip(), state, offers if info.enabled else info.reason, info.source
        )
    _console().print(table)


def _list_presets(json: bool) -> None:
    from plugins.manager import get_manager

    catalog = get_manager().presets
    found = catalog.presets.values()
    if json:
        rows = [{**preset.model_dump(mode="json"), "source": catalog.sources[preset.name]} for preset in found]
        broken = [{"path": str(entry.path), "reason": entry.reason} for entry in catalog.broken]
        _console().print_json(data={"presets": rows, "broken": broken})
        return
    table = _table("Preset", "Values", "What it is for", "From")
    for preset in found:
        values = ", ".join(f"{key} {value}" for key, value in preset.values.items())
        table.add_row(preset.name, values, preset.description, catalog.sources[preset.name])
    _console().print(table)
    for entry in catalog.broken:
        _console().print(f"broken: {entry.reason}", style="red", markup=False, soft_wrap=True)


def _print_preset(preset: "Preset", source: str, json: bool) -> None:
    console = _console()
    if json:
        console.print_json(data={**preset.model_dump(mode="json"), "source": source})
        return
    console.print(preset.name, style="bold", markup=False)
    console.print(preset.description, markup=False)
    console.print(f"from: {source}", style="dim", markup=False, soft_wrap=True)
    for key, value in preset.values.items():
        console.print(f"  {key} = {_toml(value)}", markup=False)
    for prompt in preset.prompts:
        console.print(f"  example: {prompt}", markup=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _console() -> Console:
    return Console(highlight=False)
