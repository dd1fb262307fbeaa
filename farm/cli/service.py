"""`farm up` and `farm down`: the farm as a service on this machine."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli import output
from farm.cli.joining import own_address_for
from farm.errors import ConflictError, InputError
from farm.processes import module_command

if TYPE_CHECKING:
    from farm.service.state import ServiceOptions
    from farm.settings import Settings


def up(
    host: Annotated[
        str, typer.Option(help="Address of dashboard and HTTP API; others than loopback open them to the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of dashboard and HTTP API.")] = 8000,
    dashboard_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port on loopback through which the dashboard is served.")
    ] = 8501,
    dashboard: Annotated[bool, typer.Option(help="Start the dashboard too.")] = True,
    ray_port: Annotated[
        int, typer.Option(min=1024, max=65000, help="First of the ports for other machines, with --host.")
    ] = 6379,
    address: Annotated[str, typer.Option(help="Join this Ray cluster (host:port) instead of starting one.")] = "",
    autoscale: Annotated[
        str,
        typer.Option(
            metavar="MIN:MAX[,gpu=N|cpu=N][,memory=GB][,label=WORD][,idle=MINUTES]",
            help="Machines that Ray's autoscaler may start and end, and what each has; with --address.",
        ),
    ] = "",
    replicas: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Copies of the model; default: one per GPU or CPU core.")
    ] = None,
    when_idle: Annotated[
        str, typer.Option("--when-idle", metavar="CMD", help="Run this when the last job has ended.")
    ] = "",
    stay: Annotated[
        bool, typer.Option("--stay", help="Stay in the foreground, as systemd and Docker want it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Start the farm: coordinator, replicas, HTTP API and dashboard. Returns when it is ready.

    Unfinished jobs of the last run go on. Logs are in FARM_HOME/logs. With --host other machines may join: the line to
    paste there is printed.

    Example: farm up --host 0.0.0.0
    """
    from dataclasses import asdict

    from farm.notify.rules import split_command
    from farm.service import launch
    from farm.service.state import ServiceOptions
    from farm.settings import Settings
    from farm.tokens import LoginKeys, ensure_token

    options = ServiceOptions(
        host=host,
        port=port,
        dashboard_port=dashboard_port,
        dashboard_command=_dashboard_command(dashboard_port) if dashboard else (),
        address=address,
        replicas=replicas,
        autoscale=_checked_scale(autoscale, address),
        open_at="" if address else own_address_for(host),
        ray_port=ray_port,
    )
    if when_idle:
        os.environ["FARM_WHEN_IDLE"] = shlex.join(split_command(when_idle))  # for every process of the farm
    settings = Settings.from_environment()
    if stay:
        raise typer.Exit(_stay(settings, options))
    state = launch.start(settings, options, lambda phase: typer.echo(phase, err=True))
    if as_json:
        output.print_json(asdict(state))
        return
    console = output.console()
    console.print(f"Farm       {state.url}  ({'dashboard, and ' if dashboard else ''}API: /docs)", markup=False)
    if dashboard:
        link = LoginKeys(settings.login_keys_dir).link(state.dashboard_url)
        console.print(f"Sign in    {link}  (works once; later: farm open)", markup=False, soft_wrap=True)
    console.print(f"Ray        {state.ray_address}", markup=False)
    if options.open_at:
        console.print(f"Others     http://{options.open_at}:{port}  (for browsers elsewhere)", markup=False)
        token = ensure_token(settings.node_token_path)
        line = f"farm join {options.open_at}:{port} --token {token}"
        console.print(f"Join       {line}  (on other machines)", markup=False, soft_wrap=True)
    console.print("Stop it with: farm down", markup=False)


def down() -> None:
    """Stop the farm that `farm up` started. Finished sections are kept; the next `farm up` goes on with the jobs.

    Example: farm down
    """
    from farm.service import launch
    from farm.settings import Settings

    stopped = launch.stop(Settings.from_environment())
    output.console().print("stopped" if stopped else "no farm was running", markup=False)


def open_dashboard(
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="A job whose page to open: its id, or enough of its beginning."),
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the link; open no browser.")] = False,
) -> None:
    """Open the dashboard in the browser, signed in. The link works once, within an hour.

    Example: farm open 3f2a
    """
    import webbrowser

    from farm.cli.farms import connect, find
    from farm.service.state import read_state
    from farm.settings import Settings
    from farm.tokens import LoginKeys

    settings = Settings.from_environment()
    state = read_state(settings)
    if state is None or not state.dashboard_url:
        raise ConflictError("no dashboard runs here; start it with: farm up")
    page = "/"
    if job is not None:
        with connect(state.url, None) as client:
            page = f"/job?id={find(client, job)}"
    link = LoginKeys(settings.login_keys_dir).link(state.dashboard_url, page)
    if show or not webbrowser.open(link):
        output.console().print(link, markup=False, soft_wrap=True)


def _checked_scale(text: str, address: str) -> str:
    from farm.scheduling.machine import Scale

    if text and not address:
        raise InputError(
            "--autoscale needs --address, of a Ray cluster with an autoscaler; "
            "to a farm's own head machines come by `farm join`."
        )
    try:
        return Scale.parse(text).text if text else ""
    except ValueError as error:
        raise InputError(f"--autoscale {text!r}: {error}.") from None


def _stay(settings: "Settings", options: "ServiceOptions") -> int:
    import logging

    from farm.service import launch

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return launch.stay(settings, options)


def _dashboard_command(port: int) -> tuple[str, ...]:
    return tuple(module_command("dashboard", str(port)))
