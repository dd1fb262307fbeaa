"""A Ray on this machine alone, for as long as it is needed: nothing of it stays, whatever dies."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from farm.errors import ClusterError
from farm.joining.card import Cluster, forget_cluster, write_cluster
from farm.joining.ports import Ports
from farm.joining.raylet import OBJECT_STORE_BYTES, Raylet, head_options, short_scratch, usable_cores
from farm.processes import FAMILY, OWNER, end_family, mark_of_owner, remove_with_users, sweep
from farm.settings import Settings

from .ray_environment import own_ray
from .unneeded import HOOK, leave_out

CONNECT_SECONDS = 180.0
STARTS = 10
LOG_BYTES = 20_000_000


class RayLostError(ClusterError):
    """A process of Ray's own has died; Ray does not come back by itself."""


class LocalRay:
    """The running Ray. ``folder`` holds its sessions and logs until it ends; ``processes``: when others may join."""

    def __init__(self, folder: Path, processes: Raylet | None = None) -> None:
        self.folder, self._processes = folder, processes

    @property
    def address(self) -> str:
        """Of its head."""
        import ray

        return str(ray.get_runtime_context().gcs_address)

    def check(self) -> None:
        """Raises RayLostError when a process that Ray can't be without is dead."""
        if self._processes is not None:
            if not self._processes.alive:
                raise RayLostError("Ray's processes ended.")
            return
        from ray._private.worker import _global_node

        dead = [name for name, _ in _global_node.dead_processes()] if _global_node is not None else ["driver"]
        if dead:
            raise RayLostError(f"{' and '.join(sorted(dead))} of Ray died.")


@contextmanager
def open_ray(
    settings: Settings,
    address: str,
    ports: Ports,
    replicas: int | None = None,
    on_wait: Callable[[str], None] = lambda why: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Iterator[LocalRay]:
    """Ray on this machine, at ``address``, as the head of others that may join it with the farm's token.

    ``meanwhile`` is called while its processes start.

    Raises:
        ClusterError: it does not start.
    """
    own_ray(settings, open_to_others=True)
    sweep()
    folder = short_scratch()
    try:
        options = head_options(address, ports, replicas or usable_cores(), folder)
        with Raylet(options, {"RAY_START_HOOK": HOOK}, settings.logs_dir / "ray.log") as processes:
            import ray

            _reread_environment()
            meanwhile()
            _connect(processes, f"{address}:{ports.gcs}", settings.logs_dir / "ray.log", on_wait)
            write_cluster(settings, Cluster(f"{address}:{ports.gcs}", ports.first, uuid4().hex))
            try:
                yield LocalRay(folder, processes)
            finally:
                forget_cluster(settings)
                with suppress(Exception):  # of a Ray that is half dead
                    ray.shutdown()
    finally:
        remove_with_users(folder)


def _connect(processes: Raylet, address: str, log: Path, on_wait: Callable[[str], None]) -> None:
    """Connect this process to the Ray that starts at ``address``."""
    import ray

    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + CONNECT_SECONDS
    on_wait("waiting for its processes")
    while True:
        if not processes.alive:
            raise ClusterError(f"can't start Ray at {address}: {processes.last_words}. The log is {log}.")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            with chdir(log.parent):  # see _start_ray
                ray.init(address=address, _node_ip_address=host, log_to_driver=False, logging_level="ERROR")
            return
        except Exception as error:  # Ray raises plain RuntimeErrors and others
            if time.monotonic() > deadline:
                reason = " ".join(str(error).split())[:300]
                raise ClusterError(f"can't start Ray at {address}: {reason}") from error
            time.sleep(0.1)


@contextmanager
def local_ray(
    settings: Settings, replicas: int | None = None, on_wait: Callable[[str], None] = lambda why: None
) -> Iterator[LocalRay]:
    """Ray on this machine alone, with a token of the farm's, on loopback, without dashboard and statistics.

    SIGTERM raises KeyboardInterrupt while it runs, so that a polite kill ends it as cleanly as Ctrl-C.

    Args:
        settings: whose home holds the token.
        replicas: CPU slots; default: one per core.
        on_wait: told when a start took too long and is tried again.

    Raises:
        ClusterError: it does not start.
    """
    own_ray(settings)
    import ray

    if ray.is_initialized():
        raise ClusterError("this process is connected to a Ray cluster already; render in a process of its own.")
    _reread_environment()
    sweep()
    folder = short_scratch()
    before = signal.getsignal(signal.SIGTERM)
    family = uuid4().hex
    marks = {FAMILY: family, OWNER: mark_of_owner()}
    outer = {name: os.environ.get(name) for name in marks}
    os.environ.update(marks)  # for Ray's processes, so that none of them is ever left behind
    try:
        _start_ray(folder, replicas or usable_cores(), on_wait)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        yield LocalRay(folder)
    finally:
        with suppress(Exception):  # of a Ray that is half dead; its processes are ended below
            ray.shutdown()
        for name, value in outer.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
        end_family(family)
        remove_with_users(folder)


def keep_logs(source: Path, target: Path) -> None:
    """Copy Ray's log files that hold something to the home, in place of those of the last run."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    for file in source.rglob("*") if source.is_dir() else ():
        if file.is_file() and file.suffix in (".log", ".err", ".out") and 0 < file.stat().st_size < LOG_BYTES:
            with suppress(OSError):
                shutil.copyfile(file, target / file.name)


def _start_ray(folder: Path, cores: int, on_wait: Callable[[str], None]) -> None:
    """Start Ray; it gives up after 30 s, which a machine busy with something else may need more than once."""
    import ray

    leave_out()
    for attempt in range(1, STARTS + 1):
        try:
            with chdir(folder):  # its workers import from where they were asked for, before anything installed
                ray.init(
                    address="local",
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _temp_dir=str(folder),
                    _system_config={"enable_metrics_collection": False},
                )
            return
        except Exception as error:  # Ray raises plain RuntimeErrors and others
            with suppress(Exception):
                ray.shutdown()
            end_family(os.environ[FAMILY])
            reason = " ".join(str(error).split())[:300]
            if attempt == STARTS or "timed out" not in reason.lower():
                raise ClusterError(f"can't start Ray on this machine: {reason}") from error
            on_wait(f"Ray took more than 30 s to start; try {attempt + 1} of {STARTS}")


def _reread_environment() -> None:
    """Have Ray look again at what it read when it was imported, which may have been before ``own_ray``."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    ray_constants.ENABLE_RAY_CLUSTER = False
