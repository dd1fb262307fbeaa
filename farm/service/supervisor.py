"""The supervisor of ``farm up``: keeps a runner and a dashboard alive, and says how things stand.

It holds no Ray: whatever happens to that, it ends what is left of the runner and starts another, which goes on from the
database. When it dies itself, the runner takes its place (see ``farm.service.runner``).
"""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from farm.errors import FarmError
from farm.processes import Child, end_children, module_command, sweep
from farm.settings import Settings

from .state import FAILED, READY, REBUILDING, STARTING, ServiceOptions, ServiceState, supervising, write_state

LOOK_SECONDS = 0.5
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 30.0
"""Longest time without a word from the runner while it runs; it speaks every second."""
START_SECONDS = 900.0
"""Longest time that a runner may take to be ready, on however busy a machine."""
DEAF_SECONDS = 90.0
"""Longest time that the API may not answer while the runner is well: Serve brings its parts back by itself."""
STOP_SECONDS = 40.0
PAUSES = (0.0, 2.0, 5.0, 15.0, 30.0)
"""Before each try to replace a runner that was never ready; after the last one the farm gives up."""
STEADY_SECONDS = 60.0
"""A runner that was ready for so long did not fail at once: the next one has all its tries again."""

log = logging.getLogger(__name__)


@dataclass
class Trouble:
    """Why a runner has to be replaced. ``final``: another one would not do better."""

    reason: str
    final: bool = False


def main() -> int:
    """``python -m farm.service.supervisor OPTIONS``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _end_former_life()
    return supervise(Settings.from_environment(), ServiceOptions.from_json(sys.argv[1]))


def _end_former_life() -> None:
    """A runner that became this supervisor has left its Ray."""
    end_children()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def supervise(settings: Settings, options: ServiceOptions) -> int:
    """Run the farm until SIGTERM or Ctrl-C; returns the exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with supervising(settings):
            return _Supervisor(settings, options, stopping).run()
    except FarmError as error:
        log.error("%s", error)
        return 1


class _Supervisor:
    def __init__(self, settings: Settings, options: ServiceOptions, stopping: threading.Event) -> None:
        self._settings, self._options, self._stopping = settings, options, stopping
        self._state = ServiceState(
            STARTING, os.getpid(), options.url, options.url if options.dashboard_command else "", phase="starting"
        )
        self._dashboard: Child | None = None
        self._dashboard_log: IO[bytes] | None = None

    def run(self) -> int:
        self._note()
        tries = 0
        try:
            while not self._stopping.is_set():
                sweep()
                began = time.monotonic()
                trouble = self._run_once()
                if trouble is None:
                    break
                log.error("%s", trouble.reason)
                was_ready = self._state.state == READY
                tries = 0 if was_ready and time.monotonic() - began > STEADY_SECONDS else tries + 1
                if trouble.final or tries > len(PAUSES):
                    self._note(state=FAILED, error=trouble.reason)
                    return 1
                rebuilt = self._state.rebuilt + was_ready
                state = REBUILDING if rebuilt else STARTING
                self._note(state=state, trouble=trouble.reason, rebuilt=rebuilt, phase="ending what is left")
                self._stopping.wait(0.0 if was_ready and tries <= 1 else PAUSES[max(0, tries - 1)])
        finally:
            self._end_dashboard()
        return 0

    def _note(self, **values: object) -> None:
        self._state = self._state.changed(**values)
        if values.get("phase"):
            log.info("%s", self._state.phase)
        with suppress(FarmError):  # a full disk is no reason to stop
            write_state(self._settings, self._state)

    def _run_once(self) -> Trouble | None:
        """One runner from its start to its end: why it ended, or None when the farm was to stop."""
        command = module_command("farm.service.runner", self._options.to_json())
        front = {"FARM_DASHBOARD_URL": self._options.dashboard_url}
        with Child(command, STOP_SECONDS, environment=front, stderr=sys.stderr.buffer) as runner:
            self._note(runner=runner.process.pid)
            words: queue.Queue[dict[str, object] | None] = queue.Queue()
            threading.Thread(target=_hear, args=(runner.stdout, words), name="runner's words", daemon=True).start()
            trouble = self._follow(runner, words)
            if trouble is None:
                self._note(phase="stopping")
                with suppress(OSError), runner.limited():
                    runner.stdin.write(b"stop\n")
                    runner.stdin.flush()
                    runner.process.wait()
            return trouble

    def _follow(self, runner: Child, words: "queue.Queue[dict[str, object] | None]") -> Trouble | None:
        """Listen to the runner and look after the API and the dashboard until something ends."""
        began = heard = answered = time.monotonic()
        spoke = 0.0
        api = _Health(f"{self._options.url}/api/v1/health")
        runs = False
        while not self._stopping.is_set():
            now = time.monotonic()
            word = None
            if now - spoke >= BEAT_SECONDS:
                spoke = now
                with suppress(OSError):
                    runner.stdin.write(b"beat\n")
                    runner.stdin.flush()
            with suppress(queue.Empty):
                word = words.get(timeout=LOOK_SECONDS)
                if word is None:  # its pipe closed
                    return Trouble(f"the process that owns Ray ended ({_ending(runner)}).")
                heard = time.monotonic()
            if word and "trouble" in word:
                return Trouble(str(word["trouble"]), bool(word.get("final")))
            if word and "phase" in word:
                self._note(phase=str(word["phase"]))
            if word and "ready" in word:
                runs, answered = True, now
                self._note(phase="waiting for the API and the dashboard", ray_address=str(word["ready"]))
            if not runs:
                if now - began > START_SECONDS:
                    return Trouble(f"the farm was not ready after {START_SECONDS:.0f} s ({self._state.phase}).")
                continue
            if now - heard > SILENCE_SECONDS:
                return Trouble(f"the process that owns Ray has not said a word for {SILENCE_SECONDS:.0f} s.")
            if api.looks_well():
                answered = now
            elif now - answered > DEAF_SECONDS:
                return Trouble(f"the API has not answered for {DEAF_SECONDS:.0f} s.")
            dashboard = self._look_after_dashboard()
            if self._state.state != READY and api.well and dashboard:
                self._note(state=READY, phase="")
                log.info("ready at %s", self._options.url)
        return None

    def _look_after_dashboard(self) -> bool:
        """Start the dashboard, or start it again; whether it answers, or there is to be none."""
        if not self._options.dashboard_command:
            return True
        if self._dashboard is not None and self._dashboard.process.poll() is not None:
            log.warning("the dashboard ended with %s; starting it again", self._dashboard.process.returncode)
            self._end_dashboard()
        if self._dashboard is None:
            self._dashboard_log = (self._settings.logs_dir / "dashboard.log").open("ab")
            environment = {"FARM_HOME": str(self._settings.home), "FARM_URL": self._options.url}
            output = self._dashboard_log
            command = self._options.dashboard_command
            self._dashboard = Child(command, STOP_SECONDS, environment=environment, stderr=output, stdout=output)
            self._dashboard_health = _Health(f"{self._options.dashboard_url}/_stcore/health")
        return self._dashboard_health.looks_well()

    def _end_dashboard(self) -> None:
        if self._dashboard is not None:
            with suppress(ProcessLookupError):
                self._dashboard.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._dashboard.process.wait(5)
            self._dashboard.end()
            self._dashboard = None
        if self._dashboard_log is not None:
            self._dashboard_log.close()
            self._dashboard_log = None


class _Health:
    """Asks an address now and then whether it is well, beside the caller."""

    EVERY = 2.0

    def __init__(self, url: str) -> None:
        self.well = False
        self._url = url
        self._next = 0.0
        self._asking: threading.Thread | None = None

    def looks_well(self) -> bool:
        """What the last answer said; asks anew when that is some time ago."""
        if time.monotonic() >= self._next and (self._asking is None or not self._asking.is_alive()):
            self._next = time.monotonic() + (self.EVERY if self.well else 0.2)
            self._asking = threading.Thread(target=self._ask, name="health", daemon=True)
            self._asking.start()
        return self.well

    def _ask(self) -> None:
        try:
            with urllib.request.urlopen(self._url, timeout=10) as response:
                self.well = response.status == 200
        except urllib.error.HTTPError as error:
            self.well = error.code == 503  # it answers; that its database is away is not ours to mend
        except (urllib.error.URLError, OSError):
            self.well = False


def _hear(pipe: IO[bytes], words: "queue.Queue[dict[str, object] | None]") -> None:
    with suppress(OSError, ValueError):
        for line in pipe:
            with suppress(ValueError):
                words.put(json.loads(line))
    words.put(None)


def _ending(runner: Child) -> str:
    with suppress(subprocess.TimeoutExpired):
        code = runner.process.wait(5)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return "it hangs"


if __name__ == "__main__":
    sys.exit(main())
