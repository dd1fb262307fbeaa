"""Commands for the shares of a running farm: who has which, and setting them."""

from typing import Annotated, Any

import typer

from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect
from farm.errors import InputError

owners_app = typer.Typer(help="Show who shares the farm, and set weights and limits.", invoke_without_command=True)


@owners_app.callback()
def owners(context: typer.Context, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Show who shares the farm: weight, limit of tasks, share of the last day's work, and jobs; or set them.

    Example: farm owners
    """
    if context.invoked_subcommand is not None:
        return
    with connect(url, token) as client:
        found = client.owners()
    if as_json:
        output.print_json({"owners": found})
        return
    table = output.table("Owner", "Weight>", "Limit>", "Share used>", "Waiting>", "Running>")
    for owner in found:
        limit = "" if owner["limit"] is None else str(owner["limit"])
        counts = (str(owner["waiting"]), str(owner["running"]))
        table.add_row(owner["name"], f"{owner['weight']:g}", limit, f"{owner['share']:.0%}", *counts)
    output.console().print(table if found else "Nobody has had a job yet.")


def set_owner(
    name: Annotated[str, typer.Argument(metavar="OWNER", help="The owner, as jobs name it.")],
    weight: Annotated[float | None, typer.Option(help="Of the share, against others'; 1 if never set.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most tasks at a time.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="As many tasks as there is room for.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Set an owner's share of the farm, or how many tasks at a time; what is left out stays.

    Example: farm owners set ann --weight 2 --limit 4
    """
    if limit is not None and no_limit:
        raise InputError("--limit and --no-limit exclude each other.")
    values: dict[str, Any] = {} if weight is None else {"weight": weight}
    if limit is not None or no_limit:
        values["limit"] = limit
    if not values:
        raise InputError("there is nothing to set; see `farm owners set --help`.")
    with connect(url, token) as client:
        known = [owner["name"] for owner in client.owners()]
        changed = client.change_owner(name, **values)
    if as_json:
        output.print_json(changed)
        return
    most = "no limit" if changed["limit"] is None else f"at most {changed['limit']} at a time"
    console = output.console()
    console.print(f"{changed['name']}: weight {changed['weight']:g}, {most}", markup=False, highlight=False)
    if name not in known:
        others = ", ".join(known[:8]) or "nobody"
        console.print(f"note: {name} is new here; known were {others}.", markup=False, highlight=False)


owners_app.command("set")(set_owner)
