"""``farm models push`` and ``farm nodes --models``: what nodes have, and bringing it to them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from farm.cli import output
from farm.errors import ClusterError
from farm.units import size

if TYPE_CHECKING:
    from farm.client import FarmClient

POLL_SECONDS = 0.5
BEGIN_SECONDS = 30.0
"""A node that has not begun by then is told of, and not waited for any more."""
SILENT_SECONDS = 120.0
"""One that is at it and says nothing for so long is told of, and not waited for any more."""


def push(client: "FarmClient", name: str, nodes: Sequence[str], as_json: bool) -> None:
    """Have nodes fetch a family or LoRA, and show how far they are until all are done.

    Raises:
        ClusterError: a node could not, does not begin, or is not heard of any more; says which and why.
        KeyboardInterrupt: the nodes were told to stop; what has arrived stays.
    """
    from farm.cli.models import Progress

    begun = client.push(name, nodes)
    wanted = {(one["host"], one["digest"]) for one in begun}
    left, watch = begun, _Watch()
    try:
        with Progress() as progress:
            while watch.goes_on(left):
                time.sleep(POLL_SECONDS)
                left = [one for one in client.pushes() if (one["host"], one["digest"]) in wanted]
                for one in left:
                    if one["total"]:
                        progress.report(f"{one['name']} to {one['host']}", one["done"], one["total"])
    except KeyboardInterrupt:
        client.stop_push(name)
        typer.echo("Stopped. What has arrived stays; the same command goes on from there.", err=True)
        raise
    if as_json:
        output.print_json({"pushes": left})
    else:
        _say(name, left)
    faults = [_fault(one) for one in left if one["state"] != "done"]
    if faults:
        raise ClusterError(" ".join(faults))


class _Watch:
    """Whether pushes are worth waiting for, by this machine's clock alone."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._heard: dict[str, tuple[Any, float]] = {}

    def goes_on(self, pushes: Sequence[Mapping[str, Any]]) -> bool:
        """Whether any of them, as they are now, is at it or may begin yet."""
        now = time.monotonic()
        for one in pushes:
            sign = (one["state"], one["done"], one["updated_at"])
            if self._heard.get(one["host"], (None, 0.0))[0] != sign:
                self._heard[one["host"]] = sign, now
        if any(self._comes(one, now) for one in pushes):
            self._began = now  # the others may have to wait until the head has it
            return True
        return any(one["state"] == "wanted" for one in pushes) and now - self._began < BEGIN_SECONDS

    def _comes(self, one: Mapping[str, Any], now: float) -> bool:
        return one["state"] == "coming" and now - self._heard[one["host"]][1] < SILENT_SECONDS


def _fault(one: Mapping[str, Any]) -> str:
    if one["state"] == "coming":
        origin = f" {one['message']}" if one["message"] else ""
        return (
            f"{one['host']}: nothing has come{origin} for {SILENT_SECONDS:.0f} s; {size(one['done'])} of "
            f"{size(one['total'])} are there and stay. See whether the machine and the line to it live; "
            "when they do it goes on by itself, and the same command shows how far it is."
        )
    if one["state"] == "wanted":
        return f"{one['host']} has not begun: machines fetch by themselves that joined by `farm join`."
    return f"{one['host']}: {one['message'] or one['state']}"


def _say(name: str, pushes: Sequence[Mapping[str, Any]]) -> None:
    console = output.console()
    if not pushes:
        console.print(f"Every node has {name} already.", markup=False)
    for one in pushes:
        if one["state"] == "done":
            brought = f"{size(one['done'])} brought" if one["done"] else "nothing was missing"
            console.print(f"{one['host']} has {one['name']}: {brought}.", markup=False, highlight=False)


def show_assets(assets: Sequence[Mapping[str, Any]]) -> None:
    """Who can take what, and why not, as a table."""
    console = output.console()
    if not assets:
        console.print("Nothing is known of any model, LoRA or plug-in.")
        return
    table = output.table("What", "Name", "Node", "Takes", "Why not")
    for asset in assets:
        for row in _rows(asset):
            table.add_row(*row)
    console.print(table)


def _rows(asset: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    from rich.markup import escape

    what, name = asset["kind"], escape(asset["name"]) + ("" if asset["on_head"] else " (not on the head)")
    for node in asset["nodes"] or [{"host": "", "takes": False, "why": "no node is there"}]:
        yield what, name, node["host"], "yes" if node["takes"] else "no", escape(node["why"])
        what = name = ""
