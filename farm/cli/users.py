"""``farm users``: people with a token each, and what they may."""

from typing import Annotated

import typer

from farm.accounts.people import Role
from farm.cli import output
from farm.cli.farms import AsJson, Token, Url, connect

users_app = typer.Typer(help="People who may use the farm, each with a token and a role.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Their name; what they queue is theirs.")]


@users_app.command("list")
def list_users(url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """List people and what they may."""
    with connect(url, token) as client:
        found = client.users()
    if as_json:
        output.print_json(found)
        return
    table = output.table("Name", "Role", "E-mail", "Since")
    for user in found:
        since = output.clock(user["created_at"])
        table.add_row(output.plain(user["name"]), user["role"], output.plain(user["email"]), since)
    output.console().print(table if found else "Nobody yet: whoever has the farm's own token may do everything.")


@users_app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="viewer looks, artist queues, admin does all.")] = Role.ARTIST,
    email: Annotated[str, typer.Option(help="By which a provider of identities knows them.")] = "",
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Add a person and print their token, which is shown this once.

    Example: farm users add ann --role artist
    """
    with connect(url, token) as client:
        made = client.add_user(name, role, email)
    _told(made, as_json)


@users_app.command("token")
def new_token(name: Name, url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """Give a person another token; the old one is of no use from then on."""
    with connect(url, token) as client:
        made = client.new_user_token(name)
    _told(made, as_json)


@users_app.command()
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="viewer, artist or admin.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Change what a person may.

    Example: farm users role ann admin
    """
    with connect(url, token) as client:
        user = client.change_user(name, role)
    output.console().print(f"{user['name']}: {user['role']}", markup=False)


@users_app.command()
def email(
    name: Name,
    email: Annotated[str, typer.Argument(help="Their address; '' for none.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Set the e-mail address by which a provider of identities knows a person, see FARM_OIDC_URL.

    Example: farm users email ann ann@example.org
    """
    with connect(url, token) as client:
        user = client.change_user(name, email=email)
    output.console().print(f"{user['name']}: {user['email'] or 'no e-mail'}", markup=False)


@users_app.command()
def remove(name: Name, url: Url = None, token: Token = None) -> None:
    """Their token is of no use from then on; their jobs stay."""
    with connect(url, token) as client:
        client.remove_user(name)
    output.console().print(f"{name} may not use the farm any more", markup=False)


@users_app.command()
def audit(
    who: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many lines.")] = 50,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show who asked for which changes, the newest first."""
    with connect(url, token) as client:
        lines = client.audit(who, limit)
    if as_json:
        output.print_json(lines)
        return
    table = output.table("When", "Who", "Role", "What", "Answer>")
    for line in lines:
        what = output.plain(line["what"].replace("/api/v1", ""))
        table.add_row(output.clock(line["at"]), output.plain(line["who"]), line["role"], what, str(line["status"]))
    output.console().print(table if lines else "Nothing was changed so far.")


def _told(made: dict[str, str], as_json: bool) -> None:
    if as_json:
        output.print_json(made)
        return
    output.console().print(made["token"], markup=False, soft_wrap=True)
    typer.echo(
        f"{made['name']} ({made['role']}) signs in with it, or sets FARM_TOKEN. It can't be shown again.", err=True
    )


def token(
    node: Annotated[bool, typer.Option("--node", help="The one with which other machines join.")] = False,
) -> None:
    """Print the access token of this machine's farm (made on first use)."""
    from farm.settings import Settings
    from farm.tokens import ensure_token

    settings = Settings.from_environment()
    output.console().print(ensure_token(settings.node_token_path if node else settings.token_path), markup=False)
