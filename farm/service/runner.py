"""The process that owns Ray, the coordinator and the API. Its supervisor starts it, watches it, and replaces it.

It says in lines of JSON on its standard output what it is at and, every second, that it is well. Its standard input
is the supervisor's hand: ``stop`` ends it politely; when the hand is gone the supervisor is dead, and this process
takes its place. So either of the two brings the other back.
"""

import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from farm.errors import ClusterError, ConflictError, FarmError
from farm.files import written_aside
from farm.joining.card import section_path
from farm.joining.ports import Ports
from farm.processes import FAMILY, OWNER, end_owner
from farm.scheduling.machine import Scale
from farm.settings import Settings

from .lease import DatabaseLease
from .local_ray import LocalRay, keep_logs, local_ray, open_ray
from .ray_environment import joined_ray
from .state import ServiceOptions

CHECK_SECONDS = 1.0
START_SECONDS = 300.0
"""Longest time that the coordinator may take to answer first, on however busy a machine."""
SILENCE_SECONDS = 30.0
"""Longest time that the coordinator may not answer, restarts included."""
STOP, BEAT = "stop", "beat"
DEAF_SECONDS = 60.0
"""Longest time without a word from the supervisor: one that hangs is ended, and its place taken."""
TAKE_OVER_SECONDS = 60.0
TROUBLE = 3
"""Exit code of a runner whose Ray is beyond help."""

SUPERVISOR = os.environ.get(OWNER, "")
"""Mark of the process that started this one."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class CannotJoinError(ClusterError):
    """The Ray cluster that was named is not there, or refuses; asking again would not help."""


def main() -> int:
    """``python -m farm.service.runner OPTIONS``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options, settings = ServiceOptions.from_json(sys.argv[1]), Settings.from_environment()
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(orders, options), name="supervisor's hand", daemon=True).start()

    def say(**words: Any) -> None:
        try:
            said.write(json.dumps(words) + "\n")
        except OSError:  # the supervisor is dead, and another thread about to take its place
            time.sleep(TAKE_OVER_SECONDS)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the supervisor
    try:
        _run(settings, options, orders, say)
    except Exception as error:  # the supervisor decides what becomes of it
        log.error("%s", error, exc_info=None if isinstance(error, FarmError) else error)
        final = isinstance(error, FarmError) and not isinstance(error, ClusterError)
        say(trouble=" ".join(str(error).split()), final=final or isinstance(error, CannotJoinError))
        return TROUBLE
    return 0


def _listen(orders: "queue.Queue[str]", options: ServiceOptions) -> None:
    """Hear the supervisor's words until it dies; then take its place at once, whatever the rest of this process is at.

    What it has started goes on and is ended by the new supervisor: a Ray that dies under it could take it along.
    """
    while data := os.read(0, 1000):  # not sys.stdin, whose lock a thread must not hold when the process ends
        for word in data.decode().split():
            orders.put(word)
    log.warning("the supervisor died; this process takes its place")
    environment = {name: value for name, value in os.environ.items() if name not in (OWNER, FAMILY)}
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(OSError):
            os.set_inheritable(int(number), int(number) < 3)
    command = [sys.executable, "-m", "farm.service.supervisor", options.to_json()]
    os.execve(sys.executable, command, environment)


def _run(settings: Settings, options: ServiceOptions, orders: "queue.Queue[str]", say: Any) -> None:
    """Start everything and watch it until told to stop.

    Raises:
        FarmError: something could not be started.
        ClusterError: something died that does not come back.
    """
    with DatabaseLease(settings) as lease:
        _run_with(settings, options, orders, say, lease)


def _run_with(
    settings: Settings, options: ServiceOptions, orders: "queue.Queue[str]", say: Any, lease: DatabaseLease
) -> None:
    say(phase="starting Ray")
    with _ray(settings, options, say) as (address, own):
        import ray

        from farm.api.serve import run
        from farm.cluster.coordinator import start_coordinator

        say(phase="starting the coordinator")
        scale = Scale.parse(options.autoscale) if options.autoscale else None
        coordinator = _while_it_lives(own, lambda: start_coordinator(settings, None, options.replicas, scale))
        polite = bool(options.address)  # a cluster that goes on is left in order even when something failed
        try:
            status = _while_it_lives(own, lambda: ray.get(coordinator.status.remote(), timeout=START_SECONDS))
            if status["farm"] != str(settings.home):
                polite = False
                raise ConflictError(
                    f"this Ray cluster is used by another farm, that of {status['farm']}; use another cluster."
                )
            say(phase="starting the API")
            _while_it_lives(own, lambda: run(settings, options.host, options.port))
            say(ready=address)
            _watch(coordinator, own, orders, say, lease)
            polite = True
        except (ray.exceptions.RayError, TimeoutError) as error:
            raise ClusterError(f"Ray failed: {' '.join(str(error).split())[:300]}") from error
        finally:
            if polite:
                log.info("stopping")
                with suppress(ray.exceptions.RayError, TimeoutError):
                    ray.get(coordinator.stop.remote(), timeout=20)
                if options.address:
                    _leave_cluster()


def _while_it_lives(own: LocalRay | None, call: Callable[[], T]) -> T:
    """What ``call`` gives. Ray may let it wait for minutes after it has died itself; ClusterError says so at once."""
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=work, name="start", daemon=True).start()
    while not wait([result], timeout=CHECK_SECONDS).done:
        if own is not None:
            own.check()
    return result.result()


def _watch(coordinator: Any, own: LocalRay | None, orders: "queue.Queue[str]", say: Any, lease: DatabaseLease) -> None:
    """Look every second whether Ray and the coordinator live, until told to stop.

    Raises:
        ClusterError: one is gone for good.
        ConflictError: another farm took the database.
    """
    import ray

    heard = spoken_to = time.monotonic()
    asked = None
    while True:
        with suppress(queue.Empty):
            order = orders.get(timeout=CHECK_SECONDS)
            if order == STOP:
                return
            spoken_to = time.monotonic()
        if time.monotonic() - spoken_to > DEAF_SECONDS:
            log.error("the supervisor has not said a word for %.0f s; ending it", DEAF_SECONDS)
            end_owner(SUPERVISOR)
        if own is not None:
            own.check()
        if lease.trouble:
            raise ConflictError(lease.trouble)
        try:
            asked = asked or coordinator.status.remote()
            if ray.wait([asked], timeout=0)[0]:
                answer, asked = asked, None
                ray.get(answer)
                heard = time.monotonic()
        except ray.exceptions.RayError:
            asked = None
        if time.monotonic() - heard > SILENCE_SECONDS:
            raise ClusterError(f"the coordinator has not answered for {SILENCE_SECONDS:.0f} s.")
        say(beat=True)


def _note_section(settings: Settings) -> None:
    """Have the digest of a section of this machine for those that join; made once for each code and processor."""
    command = [sys.executable, "-m", "farm.joining.section"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    if done.returncode == 0:
        with written_aside(section_path(settings)) as aside:
            aside.write_text(done.stdout.strip())


@contextmanager
def _ray(settings: Settings, options: ServiceOptions, say: Any) -> Iterator[tuple[str, LocalRay | None]]:
    """The Ray to run on: its address and, if it is our own, itself. That one ends here, and its logs are kept."""
    if options.open_at:
        with open_ray(
            settings,
            options.open_at,
            Ports(options.ray_port),
            options.replicas,
            lambda why: say(phase=f"starting Ray: {why}"),
        ) as own:
            threading.Thread(target=_note_section, args=(settings,), name="a section", daemon=True).start()
            try:
                yield own.address, own
            finally:
                keep_logs(own.folder / "session_latest" / "logs", settings.logs_dir / "ray")
        return
    if not options.address:
        with local_ray(settings, options.replicas, lambda why: say(phase=f"starting Ray: {why}")) as own:
            try:
                yield own.address, own
            finally:
                keep_logs(own.folder / "session_latest" / "logs", settings.logs_dir / "ray")
        return
    joined_ray()
    import ray

    try:
        host, _, port = options.address.rpartition(":")
        if port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=5).close()
        ray.init(address=options.address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises plain ConnectionErrors and others
        raise CannotJoinError(f"can't join the Ray cluster at {options.address}: {_reason(error)}") from error
    try:
        yield options.address, None
    finally:
        ray.shutdown()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if "auth" in text.lower():
        text += " Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token."
    return text


def _leave_cluster() -> None:
    """End the coordinator and replicas on a cluster that goes on without us."""
    import ray
    from ray import serve

    from farm.api.serve import APP_NAME
    from farm.cluster.calls import COORDINATOR, NAMESPACE, REPLICA_PREFIX

    if set(serve.status().applications) <= {APP_NAME}:
        serve.shutdown()
    else:
        serve.delete(APP_NAME)
    for actor in ray.util.list_named_actors(all_namespaces=True):
        name = actor["name"]
        if actor["namespace"] == NAMESPACE and (name == COORDINATOR or name.startswith(REPLICA_PREFIX)):
            with suppress(ValueError):
                ray.kill(ray.get_actor(name, namespace=NAMESPACE))


if __name__ == "__main__":
    sys.exit(main())
