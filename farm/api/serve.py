"""The API on Ray Serve: stateless replicas in front of the store, which nudge the coordinator and live without it."""

import logging
import os
import threading
import time
from contextlib import suppress
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.context import _get_global_client

from farm.cluster.calls import COORDINATOR, HEAD, NAMESPACE
from farm.errors import ClusterError, ConflictError
from farm.files import written_aside
from farm.settings import Settings

APP_NAME = "farm-api"
CONTROLLER, SERVE_NAMESPACE = "SERVE_CONTROLLER_ACTOR", "serve"
"""How Ray Serve names its controller, of which a cluster has one."""
STARTED = "serve"
"""File in ``FARM_HOME/run`` that says which controller this farm has started."""

log = logging.getLogger(__name__)


def run(settings: Settings, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Start the API on the Ray that this process is connected to; returns once it answers requests.

    Raises:
        ClusterError: it did not come up.
        ConflictError: others' Ray Serve is there already, and listens on another port.
    """
    try:
        _start(settings, host, port)
        serve.run(_application(settings), name=APP_NAME, route_prefix="/", blocking=False)
    except (RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        raise ClusterError(
            f"the API did not start on {host}:{port}: {error}. Is the port free? See the farm's logs."
        ) from error


def leave(settings: Settings) -> None:
    """Take the API off a cluster that goes on; Ray Serve too if this farm started it and nobody else uses it."""
    there = _controller()
    if there and _ours_alone(settings, there):
        serve.shutdown()
    elif there:
        serve.delete(APP_NAME)


def _start(settings: Settings, host: str, port: int) -> None:
    """Start Ray Serve, or use the one that is there; which was it is noted, since only our own may be ended."""
    there = _controller()
    if there and (listens := _get_global_client().http_config.port) != port:
        if not _ours_alone(settings, there):
            raise ConflictError(
                f"Ray Serve runs on this cluster already, on port {listens} and not {port}; "
                f"`farm up --port {listens}` has the API there beside what others serve."
            )
        serve.shutdown()
        there = ""
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
    if not there:
        with written_aside(settings.run_dir / STARTED) as aside:
            aside.write_text(_controller())


def _ours_alone(settings: Settings, there: str) -> bool:
    """Whether this farm has started the controller, and nobody else has an application on it."""
    return there == _started(settings) and set(serve.status().applications) <= {APP_NAME}


def _controller() -> str:
    """The id of Ray Serve's controller; empty where there is none."""
    try:
        return str(ray.get_actor(CONTROLLER, namespace=SERVE_NAMESPACE)._actor_id.hex())
    except ValueError:
        return ""


def _started(settings: Settings) -> str:
    """The controller that this farm started last."""
    with suppress(OSError):
        return (settings.run_dir / STARTED).read_text()
    return ""


def _application(settings: Settings) -> Any:
    @serve.deployment(
        num_replicas=1,
        ray_actor_options={"num_cpus": 0, "resources": {HEAD: 0.001}},
        max_ongoing_requests=1024,
        health_check_period_s=2,
    )
    @serve.ingress(lambda: _build(settings))
    class Api:
        pass

    deployment: Any = Api
    return deployment.bind()


def _build(settings: Settings) -> FastAPI:
    """In the replica's process: the application, once Serve's own port there is on loopback where that is wanted."""
    from .app import create_app  # not where Serve is started from, which would wait for it

    if os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") == "0":
        _keep_to_loopback()
    return create_app(settings, Nudge())


def _keep_to_loopback() -> None:
    """Serve binds the port by which its parts talk to a replica to all addresses, and offers no setting for it."""
    from ray.serve._private import replica

    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))


class Nudge:
    """Tells the coordinator to look at the store now; when it is away, its own next look finds the work.

    Callable from any thread; returns at once.
    """

    def __init__(self, retry_seconds: float = 1.0) -> None:
        self._handle: Any = None
        self._lock = threading.Lock()
        self._retry_seconds = retry_seconds
        self._missing_until = 0.0

    def __call__(self) -> None:
        with self._lock:
            if time.monotonic() < self._missing_until:
                return
            try:
                if self._handle is None:
                    self._handle = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
                self._handle.nudge.remote()
            except (ValueError, RuntimeError, ray.exceptions.RayError) as error:
                log.warning("the coordinator can't be nudged (%s); it will find the work by itself", error)
                self._handle = None
                self._missing_until = time.monotonic() + self._retry_seconds
