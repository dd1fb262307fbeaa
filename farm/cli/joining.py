"""`farm join` and `farm leave`: this machine as one that renders for the farm of another."""

import os
from typing import Annotated

import typer

from farm.checks import Check, State
from farm.cli import output
from farm.errors import ClusterError, ConflictError, InputError


def join(
    head: Annotated[str, typer.Argument(help="The head: HOST or HOST:PORT of its API.", show_default=False)],
    token: Annotated[
        str, typer.Option(help="The farm's token for nodes; default: that of the last time.", envvar="FARM_NODE_TOKEN")
    ] = "",
    address: Annotated[str, typer.Option(help="This machine's address for the others; default: found out.")] = "",
    cores: Annotated[int | None, typer.Option(min=0, max=4096, help="CPU cores to use; default: all.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, max=64, help="GPUs to use; default: all.")] = None,
    ray_port: Annotated[int, typer.Option(min=1024, max=65000, help="First of the ports for other machines.")] = 6379,
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay in the foreground, as systemd and Docker want it.")
    ] = False,
    install: Annotated[bool, typer.Option("--install", help="Join at every start, by a systemd user unit.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Join although a check failed; not the versions'.")] = False,
) -> None:
    """Render for the farm of another machine: checks first, then stays in it until `farm leave`.

    `farm up --host 0.0.0.0` on the head prints the line to paste here. It needs no folder in common: pictures, latents
    and videos travel by HTTP. After a cut line, a restart of the head or of this machine it comes back by itself.

    Example: farm join 192.168.1.10 --token dGhpcyBpcy...
    """
    from farm.joining import service
    from farm.joining.checks import VERSIONS, Joining, own_address, run_checks
    from farm.joining.head import Head
    from farm.joining.ports import Ports
    from farm.settings import Settings

    settings = Settings.from_environment()
    service.require_stopped(settings)
    found = Joining(settings, Head(head, service.token_for(settings, token)), Ports(ray_port))
    failed = [check for check in run_checks(found) if _show(check).state is State.FAILED]
    final = found.card is None or any(check.name == VERSIONS for check in failed)
    if failed and (final or not anyway):
        raise ClusterError(
            f"this machine can't join: {', '.join(check.name for check in failed)}. Do what is said above"
            + ("." if final else ", or join --anyway.")
        )
    options = service.options_for(found, own_address(found.head, address), cores, gpus)
    service.keep_token(settings, service.token_for(settings, token))
    if install:
        output.console().print(f"unit       {service.install(settings, options)}", markup=False)
        return
    if stay:
        raise typer.Exit(service.stay(settings, options))
    state = service.start(settings, options)
    output.console().print(f"joined     {state.head} as {state.host}\nLeave with: farm leave", markup=False)


def leave(
    now: Annotated[bool, typer.Option("--now", help="Hand back at once what is being rendered.")] = False,
    head: Annotated[
        str, typer.Option(help="The head, where Ray was started by others, as on KubeRay; needs the token for nodes.")
    ] = "",
) -> None:
    """Leave the farm that this machine joined, when what it is rendering is finished.

    Example: farm leave --now
    """
    from farm.joining import service
    from farm.joining.head import Head
    from farm.settings import Settings

    settings = Settings.from_environment()
    if head:
        token = service.token_for(settings, os.environ.get("FARM_NODE_TOKEN", ""))
        service.hand_back(Head(head, token), now, lambda phase: typer.echo(phase, err=True))
    elif not service.stop(settings, now, lambda phase: typer.echo(phase, err=True)):
        raise ConflictError("this machine is in no farm; `farm join HEAD` joins one.")
    output.console().print("left", markup=False)


def own_address_for(host: str) -> str:
    """This machine's address for others when the API listens at ``host``; empty where it is for this machine alone.

    Raises:
        InputError: it has none.
    """
    from farm.joining.ports import is_loopback, own_addresses

    if is_loopback(host):
        return ""
    if host not in ("0.0.0.0", "::"):
        return host
    addresses = own_addresses()
    if not addresses:
        raise InputError("this machine has no address that others could reach; connect it, or leave --host out.")
    return addresses[0]


def _show(check: Check) -> Check:
    mark = {State.OK: "ok", State.WARNING: "note", State.FAILED: "FAILED"}[check.state]
    output.console().print(f"{mark:<7}{check.name:<18}{check.finding}", markup=False, soft_wrap=True)
    if check.remedy:
        output.console().print(f"{'':<7}{'':<18}-> {check.remedy}", markup=False, soft_wrap=True)
    return check
