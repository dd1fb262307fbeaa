"""Starting and stopping the agent of this machine, from a command line."""

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from farm.errors import AuthError, ClusterError, ConflictError, StorageError
from farm.processes import module_command, start_service
from farm.settings import Settings
from farm.tokens import put_token

from . import agent
from .agent import FAILED, JOINED, NodeOptions, NodeState, node_path, read_node
from .checks import Joining
from .head import Head
from .raylet import usable_cores

START_SECONDS = 120.0
STOP_SECONDS = 60.0
SYSTEMD_SECONDS = 30.0
UNIT = "framepack-farm-node.service"


def token_for(settings: Settings, given: str) -> str:
    """The node's token: ``given``, or the one kept from last time.

    Raises:
        AuthError: there is none.
    """
    if given.strip():
        return given.strip()
    with suppress(OSError):
        return settings.node_token_path.read_text().strip()
    raise AuthError("a token is needed: --token TOKEN, which `farm token --node` prints on the head.")


def keep_token(settings: Settings, token: str) -> None:
    """Keep the node's token where its replicas and the next start find it.

    Raises:
        StorageError: the home can't be written.
    """
    settings.ensure_home()
    put_token(settings.node_token_path, token)


def options_for(joining: Joining, address: str, cores: int | None, gpus: int | None) -> NodeOptions:
    """What the agent is given, after the checks."""
    mine, theirs = joining.section, joining.told().section
    other = mine[:6] if mine and theirs and mine != theirs else ""
    count = usable_cores() if cores is None else cores
    return NodeOptions(joining.head.url, address, count, gpus, joining.ports.first, cpu_class=other)


def require_stopped(settings: Settings) -> None:
    """Raises ConflictError when this machine is in a farm already."""
    state = running(settings)
    if state is not None:
        raise ConflictError(
            f"this machine is in the farm at {state.head} already ({state.phase}); `farm leave` leaves it."
        )


def running(settings: Settings) -> NodeState | None:
    """What the living agent of this home says; None when there is none."""
    state = read_node(settings)
    if state is None:
        return None
    with suppress(psutil.Error):
        process = psutil.Process(state.pid)
        if process.status() != psutil.STATUS_ZOMBIE and any(is_ours(word) for word in process.cmdline()):
            return state
    return None


def is_ours(word: str) -> bool:
    """Whether a word of a command line is that of an agent."""
    return "farm.joining.agent" in word or word == "join"


def start(settings: Settings, options: NodeOptions) -> NodeState:
    """Have the agent run in the background; returns when this machine is in the farm.

    Raises:
        ClusterError: it did not come in; says why.
    """
    node_path(settings).unlink(missing_ok=True)
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    log = settings.logs_dir / "agent.log"
    process = start_service("farm.joining.agent", [options.to_json()], log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = read_node(settings)
        if state is not None and state.state == JOINED:
            return state
        if process.poll() is not None or (state is not None and state.state == FAILED):
            break
        time.sleep(0.1)
    process.terminate()
    why = state.phase if state else "its agent ended without saying why"
    raise ClusterError(f"this machine did not come into the farm: {why} The log is {log}.")


def stay(settings: Settings, options: NodeOptions) -> int:
    """Be the agent, until a signal; its exit code."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return agent.run(settings, options)


def stop(settings: Settings, now: bool, on_phase: Callable[[str], None]) -> bool:
    """Have the agent leave; ``on_phase`` is told what is waited for. False when there is none."""
    state = running(settings)
    if state is None:
        return False
    os.kill(state.pid, signal.SIGINT if now else signal.SIGUSR1)
    phase, told = "", time.monotonic()
    while (left := running(settings)) is not None:
        if left.phase != phase:
            phase = left.phase
            on_phase(phase)
        if now and time.monotonic() - told > STOP_SECONDS:
            os.kill(left.pid, signal.SIGKILL)
        time.sleep(0.2)
    return True


def hand_back(head: Head, now: bool, on_phase: Callable[[str], None]) -> None:
    """Have the farm at ``head`` take its work off this machine, whose Ray others started and will end.

    Raises:
        FarmError: the head does not know this machine, or refuses.
    """
    host, phase = socket.gethostname(), ""
    while running := head.leave(host, now):
        told = f"{running} tasks to finish"
        if told != phase:
            phase = told
            on_phase(phase)
        time.sleep(0.5)


def install(settings: Settings, options: NodeOptions) -> Path:
    """Write a systemd user unit that joins at every start, and enable it where there is a systemd; its file.

    Raises:
        StorageError: it can't be written.
    """
    path = Path.home() / ".config" / "systemd" / "user" / UNIT
    words = module_command("farm", "join", options.head, "--stay", "--anyway")
    words += [f"--address={options.address}", f"--cores={options.cores}", f"--ray-port={options.first_port}"]
    words += [] if options.gpus is None else [f"--gpus={options.gpus}"]
    text = f"""[Unit]
Description=Renders for the farm at {options.head}
After=network-online.target

[Service]
Environment=FARM_HOME={shlex.quote(str(settings.home))}
ExecStart={shlex.join(words)}
Restart=always
RestartSec=5
KillSignal=SIGTERM
TimeoutStopSec=60

[Install]
WantedBy=default.target
"""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise StorageError(f"can't write {path}: {error.strerror}.") from error
    for command in (["daemon-reload"], ["enable", "--now", UNIT]):
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["systemctl", "--user", *command], capture_output=True, check=False, timeout=SYSTEMD_SECONDS)
    return path
