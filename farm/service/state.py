"""What the running farm of a home says about itself, and who runs it: told by a lock that the system frees."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from farm.errors import ConflictError
from farm.files import written_aside
from farm.joining.ports import FIRST
from farm.settings import Settings

STARTING, READY, REBUILDING, FAILED = "starting", "ready", "rebuilding", "failed"


@dataclass(frozen=True)
class ServiceOptions:
    """What `farm up` was asked for. ``address``: of a Ray cluster to join; empty: a Ray of its own.

    ``dashboard_command`` is the dashboard's command line, empty for none; it listens on loopback, at
    ``dashboard_port``. ``autoscale``: see ``Scale.parse``, empty for none; ``open_at``: this machine's address for
    others that join, empty for none; ``ray_port``: the first of Ray's ports then.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    dashboard_port: int = 8501
    dashboard_command: tuple[str, ...] = ()
    address: str = ""
    replicas: int | None = None
    autoscale: str = ""
    open_at: str = ""
    ray_port: int = FIRST

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{self.port}"

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard itself listens; people open it under ``url``."""
        return f"http://127.0.0.1:{self.dashboard_port}" if self.dashboard_command else ""

    def to_json(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ServiceOptions":
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "dashboard_command": tuple(values["dashboard_command"])})


@dataclass(frozen=True)
class ServiceState:
    """What ``FARM_HOME/run/service.json`` says.

    ``state``: ``starting`` or ``rebuilding`` (then ``phase`` says what it is at), ``ready``, or ``failed`` (then
    ``error`` says why). ``pid`` is the supervisor's, ``runner`` that of the process that owns Ray; ``rebuilt`` counts
    how often it was replaced, ``trouble`` says why the last time; ``since``: seconds since 1970 of the last change.
    """

    state: str
    pid: int
    url: str
    dashboard_url: str = ""
    ray_address: str = ""
    error: str = ""
    phase: str = ""
    runner: int = 0
    rebuilt: int = 0
    trouble: str = ""
    since: float = 0.0

    def changed(self, **values: Any) -> "ServiceState":
        """The state with other values, from now on."""
        return replace(self, since=time.time(), **values)


def state_path(settings: Settings) -> Path:
    return settings.run_dir / "service.json"


def write_state(settings: Settings, state: ServiceState) -> None:
    """Replace the file at once."""
    with written_aside(state_path(settings)) as aside:
        aside.write_text(json.dumps(asdict(state)))


def last_state(settings: Settings) -> ServiceState | None:
    """What the file says, whether or not anybody still runs; fields that this version does not know are left out."""
    with suppress(OSError, ValueError, TypeError):
        values = json.loads(state_path(settings).read_text())
        return ServiceState(**{name: values[name] for name in ServiceState.__dataclass_fields__ if name in values})
    return None


def read_state(settings: Settings) -> ServiceState | None:
    """The running service, or None."""
    return last_state(settings) if is_running(settings) else None


def running_url(settings: Settings) -> str | None:
    """Where the farm of this home runs, as far as it says."""
    state = last_state(settings)
    return state.url if state else None


def is_running(settings: Settings) -> bool:
    """Whether a supervisor holds the lock."""
    try:
        with _lock_path(settings).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def supervising(settings: Settings, patience: float = 2.0) -> Iterator[None]:
    """Hold the lock; who only looks holds it for a moment, so it is waited for a little.

    Raises:
        ConflictError: another supervisor holds it.
    """
    deadline = time.monotonic() + patience
    with _lock_path(settings).open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ConflictError("this farm is running already; `farm down` stops it.") from None
                time.sleep(0.02)
        yield


def explain_silence(settings: Settings, url: str) -> str:
    """Why no farm answers at ``url``, as far as the farm of this home knows; empty when it knows nothing."""
    state = last_state(settings)
    if state is None or state.url != url:
        return ""
    ago = f"{max(0.0, time.time() - state.since):.0f} s ago"
    if is_running(settings):
        if state.state == REBUILDING:
            why = state.trouble or "something died."
            return f"it is being rebuilt ({state.phase}, {ago}); try again soon. Before that: {why}"
        if state.state == STARTING:
            return f"it is starting ({state.phase}); try again soon."
        return "it runs, but does not answer; try again, or see the logs in " + str(settings.logs_dir)
    if state.state == FAILED:
        return f"it stopped {ago}: {state.error}"
    return ""


def _lock_path(settings: Settings) -> Path:
    return settings.run_dir / "service.lock"
