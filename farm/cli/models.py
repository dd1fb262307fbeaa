"""``farm models`` and ``farm loras``: which there are, where their parts come from, getting and bringing them."""

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Here, Token, Url, connect, described, is_typed
from farm.errors import FarmError, InputError
from farm.settings import Settings
from farm.units import size

if TYPE_CHECKING:
    from model.located import Located


class Action(StrEnum):
    LIST = "list"
    PULL = "pull"
    PUSH = "push"


def models(
    action: Annotated[
        Action, typer.Argument(help="list all, pull one's missing files, push one to nodes.")
    ] = Action.LIST,
    name: Annotated[
        str | None, typer.Argument(help="A family, such as framepack; push: or a LoRA.", show_default=False)
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NODE]...", help="push: whereto; all that lack it by default.", show_default=False),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="pull: read what is there again, compare digests.")] = False,
    here: Here = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List model families of the farm, or of this machine with where their parts come from; download what is missing;
    bring it to nodes of a farm.

    A pull that was stopped goes on where it was. HF_HOME says where files are kept, HF_ENDPOINT names a mirror,
    HF_TOKEN is your access token, HF_HUB_OFFLINE=1 forbids the network. FARM_HOME/models.toml names parts of your own.
    A push brings what the head has to nodes that lack it, LoRAs too, and goes on where it was stopped.

    Example: farm models push framepack studio-1
    """
    if action is Action.PUSH:
        from farm.cli.pushing import push

        if name is None:
            raise InputError("`farm models push` needs a family or LoRA; `farm nodes --models` shows who lacks what.")
        with connect(url, token) as client:
            push(client, name, nodes or (), as_json)
        return
    if nodes:
        raise InputError(f"{nodes[0]!r}: only `farm models push` takes nodes.")
    from model.families import FAMILIES
    from plugins.manager import get_manager

    get_manager()  # plug-ins may bring families
    if name is not None and name not in FAMILIES:
        from farm.errors import unknown_name

        raise unknown_name("model family", name, list(FAMILIES))
    if action is Action.PULL:
        if name is None:
            raise InputError("`farm models pull` needs a family, such as framepack; `farm models` lists them.")
        _pull(name, check, as_json)
        return
    with described(url, token, here) as client:
        if client is not None:
            _print_farm([row for row in client.models() if name in (None, row["name"])], client.assets(), as_json)
            return
    rows = [_row(family) for family in FAMILIES if name in (None, family)]
    if as_json:
        output.print_json(rows)
    else:
        _print(rows)


def loras(
    family: Annotated[str | None, typer.Option("--model", help="Say which fit this family.")] = None,
    here: Here = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List LoRAs of the farm, else those in FARM_HOME/loras of this machine, and which of these fit a model.

    Example: farm render picture.png -p "The girl dances" --model framepack --lora style:0.8
    """
    if family and is_typed(url):
        raise InputError("--model looks into this machine's files; leave out --url.")
    with described(url, token, here or bool(family)) as client:
        if client is not None:
            _print_loras(client.loras(), "the folder loras of its home", None, as_json)
            return
    from model.families import checkpoint
    from model.loras.about import about_lora
    from model.loras.library import available
    from model.loras.pairs import pairs_of, shapes_of, text_names

    settings = Settings.from_environment().model
    shapes = shapes_of(checkpoint(family, settings).parts["transformer"].files) if family else {}
    rows: list[dict[str, Any]] = []
    for name, file in available(settings).items():
        row: dict[str, Any] = {"name": name, "bytes": file.stat().st_size, "path": str(file), "triggers": []}
        with suppress(FarmError):  # of one that can't be used at all, which --model says
            row["triggers"] = list(about_lora(file).triggers)
        if family:
            try:
                row |= {"fits": True, "rank": max(pair.rank for pair in pairs_of(file, shapes)), "error": ""}
                row["left_out"] = len(text_names(file))
            except FarmError as error:
                row |= {"fits": False, "rank": None, "error": str(error)}
        rows.append(row)
    _print_loras(rows, " or ".join(map(str, settings.lora_folders)), family, as_json)


def _print_loras(rows: list[dict[str, Any]], folder: str, family: str | None, as_json: bool) -> None:
    if as_json:
        output.print_json(rows)
        return
    console = output.console()
    if not rows:
        console.print(f"No LoRAs. Put safetensors files into {folder}.", markup=False, soft_wrap=True)
        return
    table = output.table("LoRA", "Size>", "Trigger words", *(("Rank>", "Fits") if family else ()))
    for row in rows:
        fits = (str(row["rank"] or ""), _fits(row)) if family else ()
        table.add_row(row["name"], size(row["bytes"]), ", ".join(row["triggers"]), *fits)
    console.print(table)


def _fits(row: dict[str, Any]) -> str:
    if not row["fits"]:
        return str(row["error"])
    return "yes, without its text encoders' part" if row["left_out"] else "yes"


def _print_farm(rows: list[dict[str, Any]], assets: list[dict[str, Any]], as_json: bool) -> None:
    """A farm's families, and on which nodes each can be used."""
    if as_json:
        output.print_json(rows)
        return
    nodes = {
        asset["name"]: [node["host"] for node in asset["nodes"] if node["takes"]]
        for asset in assets
        if asset["kind"] == "model" and asset["on_head"]
    }
    table = output.table("Model", "State", "What it is", "On")
    for row in rows:
        state = "[yellow]can't be used[/]" if row["error"] else "[green]ready[/]"
        table.add_row(
            row["name"], state, output.plain(row["error"] or row["title"]), ", ".join(nodes.get(row["name"], ()))
        )
    output.console().print(table)


def _row(family: str) -> dict[str, Any]:
    """A family as JSON: whether it can be used, why not, and its parts."""
    from model.families import FAMILIES, BundledFamily, describe
    from model.located import locate

    settings = Settings.from_environment().model
    row: dict[str, Any] = {"name": family, "ready": True, "error": "", "parts": []}
    try:
        found = FAMILIES[family]
        if isinstance(found, BundledFamily):
            folder = found.path(settings)
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            row["parts"] = [_part("all", str(folder), str(folder), size, "Apache-2.0")]
        else:
            row["parts"] = [_located(part) for part in locate(family, settings).values()]
        info = describe(family, settings)
        row |= {"title": info.title, "layout": str(info.layout), "orders": info.orders}
        row["checkpoint_sha256"] = info.checkpoint_sha256
    except FarmError as error:
        row |= {"ready": False, "error": str(error)}
    return row


def _located(part: "Located") -> dict[str, Any]:
    path = str(part.path) if part.path else None
    return _part(part.name, part.origin, path, part.size, part.licence)


def _part(name: str, source: str, path: str | None, size: int | None, licence: str) -> dict[str, Any]:
    return {"part": name, "from": source, "path": path, "bytes": size, "licence": licence}


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    console = output.console()
    for row in rows:
        state = "[green]ready[/]" if row["ready"] else "[yellow]can't be used[/]"
        console.print(f"[bold]{row['name']}[/]  {escape(row.get('title', ''))}  {state}")
        if row["error"]:
            console.print(row["error"], markup=False, soft_wrap=True)
        table = output.table("Part", "Size>", "Here", "Licence", "From")
        for part in row["parts"]:
            here = "yes" if part["path"] else "no"
            table.add_row(part["part"], size(part["bytes"]), here, escape(part["licence"]), escape(part["from"]))
        console.print(table)


def _pull(name: str, check: bool, as_json: bool) -> None:
    from model.download import pull, wanted
    from model.families import FAMILIES, BundledFamily, describe
    from model.located import locate

    if isinstance(FAMILIES[name], BundledFamily):
        raise InputError(f"{name} comes with the farm; there is nothing to pull.")
    settings = Settings.from_environment().model
    wants = wanted((part.name, part.source) for part in locate(name, settings).values())
    with Progress() as progress:
        fetched = pull(wants, progress.report, check=check)
    info = describe(name, settings)
    if as_json:
        output.print_json(
            {"name": name, "checkpoint_sha256": info.checkpoint_sha256, "pulled": [vars(f) for f in fetched]}
        )
        return
    console = output.console()
    for repository in fetched:
        did = f"{size(repository.bytes)} downloaded" if repository.bytes else "is here already"
        console.print(f"{repository.repository}@{repository.commit[:12]}: {did}", markup=False, soft_wrap=True)
    console.print(f"{info.name} is ready: {info.title}", markup=False)


class Progress:
    """Bars on stderr, one per file; without a terminal a line per tenth of a file."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bars = Progress(*columns, TimeRemainingColumn(), console=self._console)
        self._rows: dict[str, Any] = {}
        self._said: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def report(self, file: str, done: int, total: int) -> None:
        """Show how far ``file`` is."""
        if self._console.is_terminal:
            if file not in self._rows:
                self._rows[file] = self._bars.add_task(file, total=total)
            self._bars.update(self._rows[file], completed=done)
            return
        tenth = 10 * done // max(total, 1)
        if tenth > self._said.get(file, -1):
            self._said[file] = tenth
            self._console.print(f"{file}: {size(done)} of {size(total)}", markup=False, soft_wrap=True)
