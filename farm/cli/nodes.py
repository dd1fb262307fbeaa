"""Commands for the machines of a running farm: what they are at, draining them, and their settings."""

import getpass
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.errors import InputError
from farm.jobs.nodes import MOST_REPLICAS
from farm.units import counted, size

if TYPE_CHECKING:
    from farm.client import FarmClient

POLL_SECONDS = 0.5

Place = Annotated[
    str, typer.Argument(metavar="NODE|REPLICA", help="A node's name, or a replica's id; see `farm nodes`.")
]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node's name; see `farm nodes`.")]

nodes_app = typer.Typer(help="Show the machines that render, and set what they do.", invoke_without_command=True)


@nodes_app.callback()
def nodes(
    context: typer.Context,
    models: Annotated[
        bool, typer.Option("--models", help="Who can take which models, LoRAs and plug-ins, and why not.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the machines that render: their devices, what each replica is at, and how fast; or set what they do.

    Example: farm nodes
    """
    if context.invoked_subcommand is not None:
        return
    if models:
        _show_models(url, token, as_json)
        return
    with connect(url, token) as client:
        found = client.nodes()
    if as_json:
        output.print_json({"nodes": found})
        return
    console = output.console()
    if not found:
        console.print("No node has been here yet. `farm up` starts one.")
        return
    columns = ("Host", "State", "Device", "Memory>", "Renders", "Step>", "Sections/h>", "Loads/h>", "Last trouble")
    table = output.table(*columns)
    for node in found:
        for row in _rows(node):
            table.add_row(*row)
    console.print(table)
    for node in found:
        if said := _settings(node):
            console.print(f"{node['host']}: {said}", markup=False, highlight=False)


def _show_models(url: str | None, token: str | None, as_json: bool) -> None:
    from farm.cli.pushing import show_assets

    with connect(url, token) as client:
        found = client.assets()
    if as_json:
        output.print_json({"assets": found})
    else:
        show_assets(found)


def set_node(
    node: NodeName,
    label: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="A label by which jobs ask for it; may be repeated.")
    ] = None,
    no_label: Annotated[bool, typer.Option("--no-label", help="Remove all labels first.")] = False,
    hours: Annotated[
        str | None, typer.Option(help="When it works, by the head's clock: 22-07, 9-17:30, or any.")
    ] = None,
    max_replicas: Annotated[
        str | None, typer.Option(metavar="N", help="Most replicas with a model: a number, 0 for none, or any.")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Set a machine's labels, hours and number of replicas; what is left out stays, also when the machine returns.

    Example: farm nodes set studio-1 --label studio --hours 22-07 --max-replicas 1
    """
    values: dict[str, Any] = {}
    if hours is not None:
        values["hours"] = hours
    if max_replicas is not None:
        values["max_replicas"] = _cap(max_replicas)
    if not values and not label and not no_label:
        raise InputError("there is nothing to set; see `farm nodes set --help`.")
    with connect(url, token) as client:
        if label or no_label:
            values["labels"] = [*(() if no_label else _find(client, node)["labels"]), *(label or ())]
        changed = client.change_node(node, **values)
    if as_json:
        output.print_json(changed)
    else:
        said = _settings(changed) or "no settings"
        output.console().print(f"{changed['host']}: {said}", markup=False, highlight=False)


nodes_app.command("set")(set_node)


def drain(
    place: Place,
    now: Annotated[
        bool, typer.Option("--now", help="Hand back at once what it renders; it is done elsewhere, charged to nobody.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for others to see.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Return only when it has nothing in hand any more.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Have a machine or one replica take nothing more; what it renders is finished first. `farm undrain` undoes that.

    Example: farm drain studio-1 --reason "new driver" --wait
    """
    with connect(url, token) as client:
        act = client.drain if _is_node(client, place) else client.drain_replica
        node = act(place, reason=reason, now=now, by=_me())
        if not as_json:
            _say(node, place, now)
        if wait:
            node = _wait(client, node["host"], place)
    if as_json:
        output.print_json(node)
    elif wait:
        output.console().print(f"{place} has let go of everything.", markup=False, highlight=False)


def _say(node: Mapping[str, Any], place: str, now: bool) -> None:
    """What a drained place still has in hand, and how to undo it."""
    held = [f"{'It hands back' if now else 'It finishes'} {_work(each['work'])}" for each in _in_hand(node, place)]
    first = f"{place} takes nothing more." if held else f"{place} has nothing in hand and takes nothing more."
    for line in (first, *held, f"`farm undrain {place}` lets it go on."):
        output.console().print(line, markup=False, highlight=False)


def undrain(place: Place, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Let a drained machine or replica work again.

    Example: farm undrain studio-1
    """
    with connect(url, token) as client:
        node = (client.undrain if _is_node(client, place) else client.undrain_replica)(place)
    if as_json:
        output.print_json(node)
        return
    why = "" if node["state"] == "active" else f", but {node['host']} is {node['state']}: {node['message']}"
    output.console().print(f"{place} may work again{why}.", markup=False, highlight=False)


def _rows(node: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """A line for each replica; the node's own cells stand in the first."""
    host, state = node["host"], output.state(node["state"])
    if not node["replicas"]:
        devices = ", ".join(dict.fromkeys(node["devices"])) or (f"{node['cores']} cores" if node["cores"] else "")
        yield host, state, devices, size(node["memory"] or None), "", "", "", "", node["message"]
    for replica in node["replicas"]:
        work = replica["work"]
        yield (
            host,
            output.state(node["state"] if node["state"] in ("draining", "drained") and not work else replica["state"]),
            f"{replica['seat']} {replica['device_name'] or replica['device']}",
            size(replica["memory"]),
            f"{work['task']} of {_short(work['job_name'])}" if work else "",
            f"{work['step']}/{work['steps']}" if work and work["steps"] else "",
            f"{replica['sections_per_hour']:g}",
            str(replica["loads"]),
            _short(replica["trouble"] or replica["message"]),
        )
        host = ""


def _settings(node: Mapping[str, Any]) -> str:
    """What is set for a node, in words; empty when nothing is."""
    cap = node["max_replicas"]
    parts = [
        f"labels {', '.join(node['labels'])}" if node["labels"] else "",
        f"hours {node['hours']}" if node["hours"] else "",
        "" if cap is None else f"at most {counted(cap, 'replica')}",
        node["message"],
        *(
            f"{seat} drained" + (f": {drain['reason']}" if drain["reason"] else "")
            for seat, drain in node["seats"].items()
        ),
    ]
    return "; ".join(part for part in parts if part)


def _cap(text: str) -> int | None:
    if text.strip().lower() == "any":
        return None
    try:
        return int(text)
    except ValueError:
        raise InputError(f"--max-replicas {text!r}: expected a number from 0 to {MOST_REPLICAS}, or any.") from None


def _find(client: "FarmClient", name: str) -> dict[str, Any]:
    """The node of that name; one that is not there is refused by the farm, which suggests another."""
    found = (node for node in client.nodes() if name in (node["host"], node["id"]))
    return next(found, None) or client.change_node(name)


def _is_node(client: "FarmClient", place: str) -> bool:
    """Whether a place is a node, and no replica; InputError suggests the nearest of both."""
    from farm.errors import unknown_name

    nodes = client.nodes()
    hosts = [node["host"] for node in nodes]
    replicas = [replica["id"] for node in nodes for replica in node["replicas"]]
    if place in hosts or place in [node["id"] for node in nodes]:
        return True
    if place not in replicas:
        raise unknown_name("node or replica", place, hosts + replicas)
    return False


def _in_hand(node: Mapping[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """The replicas meant by ``place`` that are at something."""
    for replica in node["replicas"]:
        if replica["work"] and place in (node["host"], node["id"], replica["id"]):
            yield replica


def _wait(client: "FarmClient", host: str, place: str) -> dict[str, Any]:
    """Until what is drained has heard of it and has let go of everything."""
    while True:
        node = _find(client, host)
        meant = [replica for replica in node["replicas"] if place in (node["host"], node["id"], replica["id"])]
        if all(replica["wanted"] == "drained" and not replica["work"] for replica in meant):
            return node
        time.sleep(POLL_SECONDS)


def _work(work: Mapping[str, Any]) -> str:
    step = f", step {work['step']} of {work['steps']}" if work["steps"] else ""
    return f"{work['task']} of {_short(work['job_name'])}{step}."


def _me() -> str:
    try:
        return getpass.getuser()[:80]
    except (OSError, KeyError):
        return ""


def _short(text: str, limit: int = 40) -> str:
    from rich.markup import escape

    text = " ".join(text.split())
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")
