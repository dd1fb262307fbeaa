"""Ray's processes of one machine, started by its own command: of the head, or of a node that joins one."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from farm.errors import StorageError
from farm.processes import FAMILY, OWNER, SCRATCH, end_family, mark_of_owner, module_command

from .ports import Ports

OBJECT_STORE_BYTES = 100_000_000
"""Pixels and weights never go through Ray's object store, so the smallest is large enough."""
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Of Ray's processes on every machine of a farm. Workers have Ray's niceness of 15 otherwise, with which whatever else
the machine does comes first: on a busy one, each step of handing a task over waits."""
LONGEST_PARENT = 20
SYSTEM = {
    "enable_metrics_collection": False,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
    "gcs_rpc_server_reconnect_timeout_s": 20,
}
"""A node that is cut off is given up after 4 to 12 s; one that lost its head ends after 20 s, should nobody end it."""


class Raylet:
    """Running processes of `ray start`; used as a context manager, which ends all of them."""

    def __init__(self, options: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._family = uuid4().hex
        marks = {OWNER: mark_of_owner(), FAMILY: self._family}
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log, self._before = log, log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                module_command("ray.scripts.scripts", "start", *options, "--block"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, **marks},
                start_new_session=True,
            )

    def __enter__(self) -> "Raylet":
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    @property
    def alive(self) -> bool:
        """Whether all of them run: the command ends when one dies."""
        return self.process.poll() is None

    @property
    def last_words(self) -> str:
        """What its command said last."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(self._before)
            lines = re.sub(r"\x1b\[[0-9;]*m", "", file.read().decode(errors="replace")).split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return "nothing"

    def end(self) -> None:
        """End them, and the replicas that they started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        end_family(self._family)
        self.process.wait()


def short_scratch() -> Path:
    """A new folder for Ray, whose socket paths end at 107 characters.

    Raises:
        StorageError: there is no place for one.
    """
    for parent in (tempfile.gettempdir(), "/tmp"):
        if len(parent) <= LONGEST_PARENT and os.access(parent, os.W_OK):
            return Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir=parent))
    raise StorageError(f"can't use {tempfile.gettempdir()!r} for Ray; set TMPDIR to a short writable folder.")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def head_options(address: str, ports: Ports, cores: int, folder: Path) -> list[str]:
    """Of `ray start` for the head at ``address``."""
    return [
        "--head",
        f"--port={ports.gcs}",
        f"--temp-dir={folder}",
        f"--system-config={json.dumps(SYSTEM)}",
        "--include-dashboard=false",
        *_common(address, ports, cores),
    ]


def node_options(head: str, address: str, ports: Ports, cores: int, gpus: int | None) -> list[str]:
    """Of `ray start` for a node at ``address`` that joins the Ray at ``head``."""
    cards = [] if gpus is None else [f"--num-gpus={gpus}"]
    return [f"--address={head}", *cards, *_common(address, ports, cores)]


def _common(address: str, ports: Ports, cores: int) -> list[str]:
    return [
        f"--node-ip-address={address}",
        f"--num-cpus={cores}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
        *ports.options,
    ]
