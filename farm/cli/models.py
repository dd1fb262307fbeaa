"""``farm models`` and ``farm loras``: which there are, where their parts come from, and getting them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.errors import FarmError, InputError

if TYPE_CHECKING:
    from model.located import Located


class Action(StrEnum):
    LIST = "list"
    PULL = "pull"


def models(
    action: Annotated[Action, typer.Argument(help="list all, or pull one's missing files.")] = Action.LIST,
    name: Annotated[str | None, typer.Argument(help="A family, such as framepack.", show_default=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="pull: read what is there again, compare digests.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List model families and where their parts come from; download what is missing.

    A pull that was stopped goes on where it was. HF_HOME says where files are kept, HF_ENDPOINT names a mirror,
    HF_TOKEN is your access token, HF_HUB_OFFLINE=1 forbids the network. FARM_HOME/models.toml names parts of your own.

    Example: farm models pull framepack
    """
    from model.families import FAMILIES

    if name is not None and name not in FAMILIES:
        from farm.errors import unknown_name

        raise unknown_name("model family", name, list(FAMILIES))
    if action is Action.PULL:
        if name is None:
            raise InputError("`farm models pull` needs a family, such as framepack; `farm models` lists them.")
        _pull(name, check, as_json)
        return
    rows = [_row(family) for family in FAMILIES if name in (None, family)]
    if as_json:
        output.print_json(rows)
    else:
        _print(rows)


def loras(
    family: Annotated[str | None, typer.Option("--model", help="Say which fit this family.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List LoRAs: the safetensors files in FARM_HOME/loras, and which fit a model.

    Example: farm render picture.png -p "The girl dances" --model framepack --lora style:0.8
    """
    from model.families import checkpoint
    from model.lora import available, loras_folder, pairs_of, shapes_of

    shapes = shapes_of(checkpoint(family).parts["transformer"].files) if family else {}
    rows: list[dict[str, Any]] = []
    for name, file in available().items():
        row: dict[str, Any] = {"name": name, "bytes": file.stat().st_size, "path": str(file)}
        if family:
            try:
                row |= {"fits": True, "rank": max(pair.rank for pair in pairs_of(file, shapes)), "error": ""}
            except FarmError as error:
                row |= {"fits": False, "rank": None, "error": str(error)}
        rows.append(row)
    if as_json:
        output.print_json(rows)
        return
    console = output.console()
    if not rows:
        console.print(f"No LoRAs. Put safetensors files into {loras_folder()}.", markup=False, soft_wrap=True)
        return
    table = output.table("LoRA", "Size>", *(("Rank>", "Fits") if family else ()))
    for row in rows:
        fits = (str(row["rank"] or ""), "yes" if row["fits"] else row["error"]) if family else ()
        table.add_row(row["name"], output.size(row["bytes"]), *fits)
    console.print(table)


def _row(family: str) -> dict[str, Any]:
    """A family as JSON: whether it can be used, why not, and its parts."""
    from model.families import FAMILIES, BundledFamily, describe
    from model.located import locate

    row: dict[str, Any] = {"name": family, "ready": True, "error": "", "parts": []}
    try:
        found = FAMILIES[family]
        if isinstance(found, BundledFamily):
            size = sum(file.stat().st_size for file in found.path.rglob("*") if file.is_file())
            row["parts"] = [_part("all", str(found.path), str(found.path), size, "Apache-2.0")]
        else:
            row["parts"] = [_located(part) for part in locate(family).values()]
        info = describe(family)
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
            table.add_row(part["part"], output.size(part["bytes"]), here, escape(part["licence"]), escape(part["from"]))
        console.print(table)


def _pull(name: str, check: bool, as_json: bool) -> None:
    from model.download import pull, wanted
    from model.families import FAMILIES, BundledFamily, describe
    from model.located import locate

    if isinstance(FAMILIES[name], BundledFamily):
        raise InputError(f"{name} comes with the farm; there is nothing to pull.")
    wants = wanted((part.name, part.source) for part in locate(name).values())
    with _Progress() as progress:
        fetched = pull(wants, progress.report, check=check)
    info = describe(name)
    if as_json:
        output.print_json(
            {"name": name, "checkpoint_sha256": info.checkpoint_sha256, "pulled": [vars(f) for f in fetched]}
        )
        return
    console = output.console()
    for repository in fetched:
        did = f"{output.size(repository.bytes)} downloaded" if repository.bytes else "is here already"
        console.print(f"{repository.repository}@{repository.commit[:12]}: {did}", markup=False, soft_wrap=True)
    console.print(f"{info.name} is ready: {info.title}", markup=False)


class _Progress:
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

    def __enter__(self) -> "_Progress":
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
            self._console.print(f"{file}: {output.size(done)} of {output.size(total)}", markup=False, soft_wrap=True)
