"""Starting and stopping the farm of a home, from a command line."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from farm.errors import ClusterError, ConflictError
from farm.joining.tokens import ensure_node_token
from farm.processes import start_service, sweep
from farm.settings import Settings

from .state import FAILED, READY, ServiceOptions, ServiceState, is_running, last_state, read_state, state_path
from .supervisor import START_SECONDS, STOP_SECONDS, supervise

log = logging.getLogger(__name__)


def start(
    settings: Settings, options: ServiceOptions, on_phase: Callable[[str], None] = lambda phase: None
) -> ServiceState:
    """Launch the supervisor in the background and wait until the farm is healthy; ``on_phase`` is told what it is at.

    Raises:
        ConflictError: it runs already, a port is taken, or the environment's token for nodes is another.
        ClusterError: it did not come up; says why and where the log is.
    """
    _make_way(settings, options, on_phase)
    log_path = settings.logs_dir / "service.log"
    process = start_service("farm.service.supervisor", [options.to_json()], log_path)
    deadline = time.monotonic() + START_SECONDS
    phase = ""
    try:
        while time.monotonic() < deadline:
            state = last_state(settings)
            if state is not None and state.phase not in ("", phase):
                phase = state.phase
                on_phase(phase)
            if state is not None and state.state == READY:
                return state
            if process.poll() is not None and (state is None or not _lives(state)):
                reason = state.error if state and state.error else "its supervisor ended without saying why."
                raise ClusterError(f"the farm did not start: {reason} The log is {log_path}.")
            time.sleep(0.1)
        raise ClusterError(f"the farm was not healthy after {START_SECONDS:.0f} s ({phase}); the log is {log_path}.")
    except BaseException:
        stop(settings)
        raise


def stay(settings: Settings, options: ServiceOptions) -> int:
    """Be the supervisor in this process, until a signal, as Docker and systemd want it; its exit code.

    Raises:
        ConflictError: as above.
    """
    _make_way(settings, options, lambda phase: log.warning("%s", phase))
    return supervise(settings, options)


def _make_way(settings: Settings, options: ServiceOptions, on_phase: Callable[[str], None]) -> None:
    """See to it that a farm can start here."""
    settings.ensure_home()
    if is_running(settings):
        running = read_state(settings)
        where = f" at {running.url}" if running else ""
        how = f" ({running.state}: {running.phase})" if running and running.state != READY else ""
        raise ConflictError(f"this farm is running already{where}{how}; `farm down` stops it.")
    ensure_node_token(settings)
    _require_free_port(options.host, options.port, "--port")
    if options.dashboard_command:
        _require_free_port("127.0.0.1", options.dashboard_port, "--dashboard-port")
    last = last_state(settings)
    if last is not None and last.state == FAILED:
        on_phase(f"the last farm stopped: {last.error}")
    state_path(settings).unlink(missing_ok=True)


def stop(settings: Settings) -> bool:
    """End the running farm: running sections are interrupted, finished ones kept. False when none was running.

    Asks the supervisor first; what does not end is ended, and a runner that took its place in this moment too.
    """
    found = False
    deadline = time.monotonic() + STOP_SECONDS + 20
    while (state := last_state(settings)) is not None and _lives(state):
        found = True
        asked = state.pid
        with suppress(ProcessLookupError):
            os.kill(asked, signal.SIGTERM)
        while _is_ours(asked) and time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(asked, os.WNOHANG)
            time.sleep(0.05)
        if time.monotonic() >= deadline:
            for pid in (state.pid, state.runner):
                with suppress(ProcessLookupError, PermissionError):
                    if _is_ours(pid):
                        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)  # an orphaned runner needs a moment to say that it goes on
    if found:
        sweep()
        state_path(settings).unlink(missing_ok=True)
    return found


def _lives(state: ServiceState) -> bool:
    """Whether the supervisor or the runner, which takes its place, is alive."""
    return _is_ours(state.pid) or _is_ours(state.runner)


def _is_ours(pid: int) -> bool:
    """Whether ``pid`` is a process of the farm's service, and not one that came to have its number."""
    if not pid:
        return False
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(_is_of_service(word) for word in process.cmdline())
    return False


def _is_of_service(word: str) -> bool:
    """Whether a word of a command line is that of a supervisor or runner; `farm up --stay` is one."""
    return "farm.service." in word or word == "up"


def _require_free_port(host: str, port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConflictError(f"can't listen on {host}:{port}: {reason}. Choose another one with {option}.") from None
