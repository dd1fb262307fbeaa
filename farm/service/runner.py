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
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar

from farm.errors import ClusterError, ConflictError, FarmError
from farm.processes import FAMILY, OWNER, end_owner, module_command
from farm.scheduling.machine import Scale
from farm.settings import Settings

from .chosen_ray import CannotJoinError, chosen_ray, leave_cluster
from .lease import DatabaseLease
from .local_ray import LocalRay
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
    command = module_command("farm.service.supervisor", options.to_json())
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
    with chosen_ray(settings, options, lambda why: say(phase=f"starting Ray: {why}")) as (address, own):
        import ray

        from farm.api.serve import run
        from farm.cluster.calls import has_coordinator
        from farm.cluster.coordinator import start_coordinator

        say(phase="starting the coordinator and the API")
        scale = Scale.parse(options.autoscale) if options.autoscale else None
        # A cluster that goes on is left in order even when something failed, unless a coordinator there may be another
        # farm's.
        polite = bool(options.address) and not has_coordinator()
        coordinator = _while_it_lives(own, _begin(lambda: start_coordinator(settings, None, options.replicas, scale)))
        serve = partial(run, settings, options.host, options.port)
        try:
            with _early_api(settings, options):
                api = _begin(serve) if own else None  # on a cluster of others only when it is known not to be taken
                asked = coordinator.status.remote()
                status = _while_it_lives(own, _begin(lambda: ray.get(asked, timeout=START_SECONDS)))
                if status["farm"] != str(settings.home):
                    raise ConflictError(
                        f"this Ray cluster is used by another farm, that of {status['farm']}; use another cluster."
                    )
                polite = bool(options.address)
                _while_it_lives(own, api or _begin(serve))
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
                    leave_cluster(settings)


def _early_api(settings: Settings, options: ServiceOptions) -> AbstractContextManager[None]:
    """What machines that join can ask until Ray Serve is up; nothing where none can join."""
    if not options.open_at:
        return nullcontext()
    from farm.api.early import early_api
    from farm.api.serve import Nudge

    return early_api(settings, options.host, options.port, Nudge())


def _begin(call: Callable[[], T]) -> "Future[T]":
    """Have ``call`` made in a thread of its own, which ends with the process at the latest."""
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=work, name="start", daemon=True).start()
    return result


def _while_it_lives(own: LocalRay | None, result: "Future[T]") -> T:
    """What a call gives. Ray may let it wait for minutes after it has died itself; ClusterError says so at once."""
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


if __name__ == "__main__":
    sys.exit(main())
