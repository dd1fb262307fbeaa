"""The running farm on this machine: one supervisor process that owns Ray, coordinator, API and dashboard.

``start`` launches the supervisor and returns when it is healthy; ``stop`` ends it. Ray's processes share the
supervisor's fate, so whatever kills it leaves nothing behind. Who supervises is told by a lock that the system frees.
"""

import ctypes
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from farm.errors import ClusterError, ConflictError, FarmError
from farm.settings import Settings

from .embedded import local_ray

START_SECONDS = 300.0
STOP_SECONDS = 40.0
CHECK_SECONDS = 1.0
LOG_BYTES = 20_000_000
PR_SET_PDEATHSIG = 1

Deploy = Callable[[Settings, str, int], None]
"""Starts the HTTP API on the Ray at hand: (settings, host, port)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceOptions:
    """What `farm up` was asked for. ``address``: of a Ray cluster to join; empty: a Ray of its own.

    ``dashboard_command`` is the dashboard's command line, empty for none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    dashboard_port: int = 8501
    dashboard_command: tuple[str, ...] = ()
    address: str = ""
    replicas: int | None = None

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}" if self.dashboard_command else ""


@dataclass(frozen=True)
class ServiceState:
    """What ``FARM_HOME/run/service.json`` says. ``state``: ``starting``, ``ready`` or ``failed`` (then ``error``)."""

    state: str
    pid: int
    url: str
    dashboard_url: str = ""
    ray_address: str = ""
    error: str = ""


def read_state(settings: Settings) -> ServiceState | None:
    """The running service, or None."""
    if not _is_locked(_lock_path(settings)):
        return None
    with suppress(OSError, ValueError, TypeError):
        return ServiceState(**json.loads(_state_path(settings).read_text()))
    return None


def start(settings: Settings, options: ServiceOptions, command: Sequence[str]) -> ServiceState:
    """Launch ``command`` (which calls ``supervise``) in the background and wait until the farm is healthy.

    Raises:
        ConflictError: it runs already, or a port is taken.
        ClusterError: it did not come up; says why and where the log is.
    """
    settings.ensure_home()
    if _is_locked(_lock_path(settings)):
        running = read_state(settings)
        raise ConflictError(
            f"this farm is running already{f' at {running.url}' if running else ''}; `farm down` stops it."
        )
    _require_free_port(options.host, options.port, "--port")
    if options.dashboard_command:
        _require_free_port("127.0.0.1", options.dashboard_port, "--dashboard-port")
    _state_path(settings).unlink(missing_ok=True)
    log_path = settings.logs_dir / "service.log"
    with log_path.open("wb") as output:
        process = subprocess.Popen(
            [*command, json.dumps(asdict(options))],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline:
            state = read_state(settings)
            if state and state.state == "ready" and state.pid == process.pid:
                return state
            if process.poll() is not None:
                raise ClusterError(f"the farm did not start: {_failure(settings)} The log is {log_path}.")
            time.sleep(0.1)
        raise ClusterError(f"the farm was not healthy after {START_SECONDS:.0f} s; the log is {log_path}.")
    except BaseException:
        _end(process.pid, _lock_path(settings))
        raise


def stop(settings: Settings) -> bool:
    """End the running farm: running sections are interrupted, finished ones kept. False when none was running."""
    state = read_state(settings)
    if state is None:
        return False
    _end(state.pid, _lock_path(settings))
    _state_path(settings).unlink(missing_ok=True)
    return True


def supervise(settings: Settings, options: ServiceOptions, deploy: Deploy) -> int:
    """Run the farm in this process until SIGTERM or Ctrl-C; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopping = threading.Event()
    with _locked(_lock_path(settings)):

        def note(state: str, ray_address: str = "", error: str = "") -> None:
            found = ServiceState(state, os.getpid(), options.url, options.dashboard_url, ray_address, error)
            aside = _state_path(settings).with_suffix(".partial")
            aside.write_text(json.dumps(asdict(found)))
            aside.replace(_state_path(settings))

        note("starting")
        try:
            with _ray(settings, options) as ray_address:
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, lambda *_: stopping.set())
                _serve(settings, options, deploy, stopping, lambda: note("ready", ray_address))
        except FarmError as error:
            log.error("%s", error)
            note("failed", error=str(error))
            return 1
    return 0


def _serve(
    settings: Settings, options: ServiceOptions, deploy: Deploy, stopping: threading.Event, on_ready: Callable[[], None]
) -> None:
    """Start all parts, say when they are healthy, keep the dashboard alive, stop all parts."""
    import ray

    from .coordinator import start_coordinator

    coordinator = start_coordinator(settings, max_replicas=options.replicas)
    dashboard: subprocess.Popen[bytes] | None = None
    try:
        deploy(settings, options.host, options.port)
        dashboard = _start_dashboard(settings, options)
        checks = [f"{options.url}/api/v1/health"]
        if dashboard:
            checks.append(f"{options.dashboard_url}/_stcore/health")
        while not stopping.is_set() and not all(map(_answers, checks)):
            if dashboard and dashboard.poll() is not None:
                raise ClusterError("the dashboard did not start; see logs/dashboard.log.")
            stopping.wait(0.2)
        ray.get(coordinator.status.remote(), timeout=60)
        log.info("ready at %s", options.url)
        on_ready()
        while not stopping.wait(CHECK_SECONDS):
            if dashboard and dashboard.poll() is not None:
                log.warning("the dashboard ended with %s; starting it again", dashboard.returncode)
                stopping.wait(2.0)
                dashboard = _start_dashboard(settings, options)
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray failed: {' '.join(str(error).split())[:300]}") from error
    finally:
        log.info("stopping")
        if dashboard:
            dashboard.terminate()
            with suppress(subprocess.TimeoutExpired):
                dashboard.wait(5)
            dashboard.kill()
        with suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
            ray.get(coordinator.stop.remote(), timeout=20)
        if options.address:
            _leave_cluster()


@contextmanager
def _ray(settings: Settings, options: ServiceOptions) -> Iterator[str]:
    """The Ray to run on; gives its address. A Ray of our own ends here, with its logs copied to the home."""
    import ray

    if options.address:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            ray.init(address=options.address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises plain ConnectionErrors and others
            raise ClusterError(f"can't join the Ray cluster at {options.address}: {error}") from error
        try:
            yield options.address
        finally:
            ray.shutdown()
        return
    with local_ray(options.replicas) as folder:
        try:
            yield str(ray.get_runtime_context().gcs_address)
        finally:
            _keep_logs(folder / "session_latest" / "logs", settings.logs_dir / "ray")


def _leave_cluster() -> None:
    """End the coordinator and replicas on a cluster that goes on without us."""
    import ray
    from ray import serve

    from .calls import COORDINATOR, NAMESPACE, REPLICA_PREFIX

    serve.shutdown()
    for actor in ray.util.list_named_actors(all_namespaces=True):
        name = actor["name"]
        if actor["namespace"] == NAMESPACE and (name == COORDINATOR or name.startswith(REPLICA_PREFIX)):
            with suppress(ValueError):
                ray.kill(ray.get_actor(name, namespace=NAMESPACE))


def _start_dashboard(settings: Settings, options: ServiceOptions) -> "subprocess.Popen[bytes] | None":
    if not options.dashboard_command:
        return None
    environment = os.environ | {"FARM_HOME": str(settings.home), "FARM_URL": options.url}
    with (settings.logs_dir / "dashboard.log").open("ab") as output:
        return subprocess.Popen(
            list(options.dashboard_command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    """In a new child on Linux: be killed when the supervisor dies, however it dies. Ray does the same for its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _keep_logs(source: Path, target: Path) -> None:
    """Copy Ray's log files that hold something to the home, in place of those of the last run."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    for file in source.rglob("*") if source.is_dir() else ():
        if file.is_file() and file.suffix in (".log", ".err", ".out") and 0 < file.stat().st_size < LOG_BYTES:
            with suppress(OSError):
                shutil.copyfile(file, target / file.name)


def _end(pid: int, lock: Path) -> None:
    """SIGTERM to the supervisor, SIGKILL to its whole process group when it does not end, and wait for it."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not _is_locked(lock):
            break
        time.sleep(0.1)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _require_free_port(host: str, port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConflictError(f"can't listen on {host}:{port}: {reason}. Choose another one with {option}.") from None


def _failure(settings: Settings) -> str:
    with suppress(OSError, ValueError, KeyError):
        error = str(json.loads(_state_path(settings).read_text())["error"])
        if error:
            return error
    return "its supervisor ended without saying why."


def _state_path(settings: Settings) -> Path:
    return settings.run_dir / "service.json"


def _lock_path(settings: Settings) -> Path:
    return settings.run_dir / "service.lock"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError("this farm is running already; `farm down` stops it.") from None
        yield


def _is_locked(path: Path) -> bool:
    import fcntl

    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def options_from(text: str) -> ServiceOptions:
    """The options that ``start`` passed on the supervisor's command line."""
    values: dict[str, Any] = json.loads(text)
    return ServiceOptions(**{**values, "dashboard_command": tuple(values["dashboard_command"])})


def supervisor_command(module: str) -> tuple[str, ...]:
    """Command line that runs ``module`` with this interpreter."""
    return (sys.executable, "-m", module)
