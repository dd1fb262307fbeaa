"""The agent of a machine that joined: starts Ray's processes, watches the head, comes back, and leaves in order.

It holds no Ray. When the head is not heard for ``SILENCE_SECONDS`` the replicas of this machine are ended, before
others take their work; when it is back, or started anew, they join it again.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from farm.errors import AuthError, FarmError
from farm.files import written_aside
from farm.processes import remove_with_users, sweep
from farm.settings import Settings
from farm.tokens import put_token

from .card import Card, Cluster
from .fetching import Fetcher
from .head import Head, HeadGoneError
from .ports import Ports
from .raylet import ENVIRONMENT, Raylet, node_options, short_scratch
from .tokens import ray_token_path
from .versions import Versions

LOOK_SECONDS, START_LOOK_SECONDS = 2.0, 0.5
ANSWER_SECONDS = 4.0
SILENCE_SECONDS = 12.0
GRACE_SECONDS = 25.0
"""After SIGTERM a section may be finished for so long; then it is handed back. Spot machines get 30 s and more."""
LEAVE_SECONDS = 8.0
SEEN_SECONDS = 180.0
"""Ray's processes that the head does not see by then are started anew: they may wait for something that never comes."""
PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Before the tries to come into a farm that refuses it."""
AWAY_SECONDS = 1.0
"""Before each look for a head that does not answer: the farm is to be whole soon after it is back."""

JOINING, JOINED, AWAY, LEAVING, FAILED = "joining", "joined", "away", "leaving", "failed"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeOptions:
    """What `farm join` was asked for. ``cpu_class``: see ``model.kernels.Kernels``."""

    head: str
    address: str
    cores: int
    gpus: int | None = None
    first_port: int = Ports().first
    cpu_class: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class NodeState:
    """What ``FARM_HOME/run/node.json`` says; ``phase``: what it is at, or why it is not in the farm."""

    state: str
    phase: str
    pid: int
    head: str
    host: str
    rejoined: int = 0
    since: float = 0.0


def node_path(settings: Settings) -> Path:
    return settings.run_dir / "node.json"


def read_node(settings: Settings) -> NodeState | None:
    """The last that an agent of this home wrote."""
    try:
        return NodeState(**json.loads(node_path(settings).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def main() -> int:
    """``python -m farm.joining.agent OPTIONS``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return run(Settings.from_environment(), NodeOptions(**json.loads(sys.argv[1])))


def run(settings: Settings, options: NodeOptions) -> int:
    """Keep this machine in the farm until it is told to leave; returns the exit code."""
    agent = Agent(settings, options)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, _: agent.told(number))
    return agent.run()


class Agent:
    """See the module. ``told`` with SIGUSR1: leave when nothing is at work; SIGTERM: within the grace; SIGINT, or a
    second signal: now."""

    def __init__(self, settings: Settings, options: NodeOptions) -> None:
        self._settings, self._options = settings, options
        self._head = Head(options.head, settings.node_token_path.read_text().strip())
        self._host = socket.gethostname()
        self._leaving = threading.Event()
        self._deadline = float("inf")
        self._state = NodeState(JOINING, "looking for the head", os.getpid(), self._head.url, self._host)

    def told(self, number: int) -> None:
        """Leave; how soon depends on the signal."""
        grace = {signal.SIGUSR1: float("inf"), signal.SIGTERM: GRACE_SECONDS}.get(signal.Signals(number), 0.0)
        again = self._leaving.is_set() and number != signal.SIGUSR1
        self._deadline = min(self._deadline, time.monotonic() + (0.0 if again else grace))
        self._leaving.set()

    def run(self) -> int:
        sweep()
        fetcher = Fetcher(self._settings, self._head, self._host)
        fetcher.start()
        tries = 0
        while not self._leaving.is_set():
            try:
                tries = 0 if self._be_in(self._card()) else tries + 1
            except HeadGoneError as error:
                self._say(AWAY, str(error))
                tries = 0
            except FarmError as error:
                self._say(FAILED if isinstance(error, AuthError) else AWAY, str(error))
                tries += 1
            self._leaving.wait(PAUSES[min(tries, len(PAUSES)) - 1] if tries else AWAY_SECONDS)
        fetcher.stop()
        self._say(LEAVING, "it left the farm")
        node_path(self._settings).unlink(missing_ok=True)
        return 0

    def _card(self) -> Card:
        """What the head tells, once this machine may join it.

        Raises:
            FarmError: it may not.
        """
        card = self._head.card()
        if card.cluster is None:
            raise HeadGoneError("the head starts, or is open to no other machine.")
        unlike = Versions.here().differences(card.versions)
        if unlike:
            raise FarmError(f"the head has another version of {', '.join(unlike)}; update this machine.")
        return card

    def _be_in(self, card: Card) -> bool:
        """Run Ray's processes for as long as the head is there and the same; leave in order when told to. Whether this
        machine was in the farm."""
        cluster = card.cluster
        assert cluster is not None
        put_token(ray_token_path(self._settings), card.ray_token)
        self._head.arrive(self._host)
        asked = self._options
        options = node_options(cluster.address, asked.address, Ports(asked.first_port), asked.cores, asked.gpus)
        with _scratch() as folder:
            options.append(f"--temp-dir={folder}")
            with Raylet(options, self._environment(card), self._settings.logs_dir / "node.log") as raylet:
                self._say(JOINING, "starting Ray's processes here")
                why = self._watch(raylet, cluster)
                was_in = self._state.state == JOINED
                if self._leaving.is_set():
                    self._leave(raylet)
                    return was_in
        log.warning("%s", why)
        self._state = replace(self._state, rejoined=self._state.rejoined + was_in)
        self._say(AWAY, why)
        return was_in

    def _watch(self, raylet: Raylet, cluster: Cluster) -> str:
        """Until it is time to go; why it is."""
        began = heard = time.monotonic()
        while not self._leaving.wait(LOOK_SECONDS if self._state.state == JOINED else START_LOOK_SECONDS):
            if not raylet.alive:
                return f"Ray's processes on this machine ended: {raylet.last_words}"
            try:
                if self._state.state != JOINED and self._head.sees(self._host):
                    self._say(JOINED, f"working for {self._head.url}")
                seen = self._head.card(ANSWER_SECONDS).cluster
                if seen is not None and seen != cluster:
                    return "the head started anew"
                if seen is not None:
                    heard = time.monotonic()
            except FarmError as error:
                log.info("%s", error)
            if time.monotonic() - heard > SILENCE_SECONDS:
                return f"the head was not heard for {SILENCE_SECONDS:.0f} s"
            if self._state.state != JOINED and time.monotonic() - began > SEEN_SECONDS:
                return (
                    f"Ray's processes run here, and after {SEEN_SECONDS:.0f} s the head does not see them; are Ray's "
                    "ports open in both directions? They are started anew."
                )
        return "it was told to leave"

    def _leave(self, raylet: Raylet) -> None:
        """Have the farm take its work away, then go. What is handed back too late counts as interrupted."""
        with suppress(FarmError):
            while raylet.alive:
                now = time.monotonic() >= self._deadline
                running = self._head.leave(self._host, now)
                self._say(LEAVING, f"replicas that finish what they are at: {running}" if running else "done")
                if not running or time.monotonic() >= self._deadline + LEAVE_SECONDS:
                    return
                time.sleep(0.5)

    def _environment(self, card: Card) -> dict[str, str]:
        """Of Ray's processes here, which replicas inherit: this machine's home, and its own way to the artifacts."""
        own = os.environ.get("FARM_ARTIFACTS_URL", "").strip()
        return {
            "FARM_HOME": str(self._settings.home),
            "FARM_ARTIFACTS_URL": own or card.artifacts_url or self._head.url,
            "FARM_CPU_CLASS": self._options.cpu_class,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(ray_token_path(self._settings)),
            **ENVIRONMENT,
            "DASHBOARD_METRIC_PORT": "-1",
        }

    def _say(self, state: str, phase: str) -> None:
        if (state, phase) != (self._state.state, self._state.phase) or not self._state.since:
            self._state = replace(self._state, state=state, phase=phase, since=time.time())
            log.info("%s: %s", state, phase)
            self._settings.run_dir.mkdir(parents=True, exist_ok=True)
            with suppress(OSError), written_aside(node_path(self._settings)) as aside:
                aside.write_text(json.dumps(asdict(self._state)))


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for Ray's sessions here; gone afterwards, with whatever still uses it."""
    folder = short_scratch()
    try:
        yield folder
    finally:
        remove_with_users(folder)


if __name__ == "__main__":
    sys.exit(main())
