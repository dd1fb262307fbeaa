"""Machines on this one: network, mount and host-name namespaces on a bridge, each with a folder and a /tmp of its own.

Needs root and Linux. What runs on a machine is found by its mount namespace, and ended with it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

NET = "10.77.{net}.{host}"


@dataclass
class Host:
    """One machine. ``folder``: its disk, which no other machine sees as its own; ``home``: FARM_HOME there."""

    name: str
    address: str
    folder: Path
    holder: int
    link: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(
        self, *command: str, seconds: float = 240, check: bool = True, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command there, awaited."""
        done = subprocess.run(
            self._inside(command), env=self._environment(environment), capture_output=True, text=True, timeout=seconds
        )
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def farm(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`farm` there."""
        return self.run(sys.executable, "-m", "farm", *words, **options)

    def start(self, *command: str, log: str = "out.log") -> subprocess.Popen[bytes]:
        """A command there, in the background."""
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                self._inside(command),
                env=self._environment(None),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def processes(self) -> dict[int, str]:
        """Command lines of everything that runs there, by pid."""
        space = os.readlink(f"/proc/{self.holder}/ns/mnt")
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.holder:
                with suppress(OSError):
                    if os.readlink(entry / "ns/mnt") == space:
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def kill(self, part: str = "", number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to all processes there whose command line has ``part`` in it; their pids."""
        chosen = [pid for pid, line in self.processes().items() if part in line]
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return chosen

    def cut(self) -> None:
        """Pull the network cable."""
        _ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.link, "up")

    def _inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "-t", str(self.holder), "--mount", "--uts", "--net", "--", *command]

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("FARM_", "RAY_")) or k == "RAY_USAGE_STATS_ENABLED"
        }
        return {**kept, "FARM_HOME": str(self.home), "HOME": str(self.folder), **self.environment, **(more or {})}


@contextmanager
def hosts(folder: Path, names: Sequence[str]) -> Iterator[list[Host]]:
    """Machines called ``names`` that reach each other; skips the test where they can't be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nsenter") is None:
        pytest.skip("needs root, ip and nsenter, to make network namespaces")
    net = os.getpid() % 200 + 20
    bridge = f"fb{uuid4().hex[:8]}"
    made: list[Host] = []
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for number, name in enumerate(names, start=10):
            made.append(_make(folder / name, name, NET.format(net=net, host=number), bridge))
        yield made
    except subprocess.CalledProcessError as error:
        if made:
            raise
        pytest.skip(f"can't make network namespaces: {(error.stderr or b'').decode().strip()}")
    finally:
        for host in made:
            for _ in range(20):
                if not host.kill():
                    break
                time.sleep(0.1)
            with suppress(ProcessLookupError):
                os.kill(host.holder, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(host.holder, 0)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True)


def _make(folder: Path, name: str, address: str, bridge: str) -> Host:
    (folder / "tmp").mkdir(parents=True)
    (folder / "home").mkdir()
    holder = subprocess.Popen(
        ["unshare", "--mount", "--uts", "--net", "--propagation", "private", "sleep", "infinity"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    mine = os.readlink("/proc/self/ns/net")
    deadline = time.monotonic() + 10
    while os.readlink(f"/proc/{holder.pid}/ns/net") == mine and time.monotonic() < deadline:
        time.sleep(0.01)
    link = f"fv{uuid4().hex[:8]}"
    inside = ["nsenter", "-t", str(holder.pid), "--mount", "--uts", "--net", "--"]
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    _ip("link", "set", link, "master", bridge, "up")
    for command in (
        ["ip", "addr", "add", f"{address}/24", "dev", "eth0"],
        ["ip", "link", "set", "eth0", "up"],
        ["ip", "link", "set", "lo", "up"],
        ["ip", "route", "add", "default", "dev", "eth0"],
        ["hostname", name],
        ["mount", "--bind", str(folder / "tmp"), "/tmp"],
    ):
        subprocess.run([*inside, *command], check=True, capture_output=True)
    return Host(name, address, folder, holder.pid, link)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
