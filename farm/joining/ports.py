"""The ports by which the machines of a farm reach each other: fixed, so that firewalls can know them."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address

FIRST = 6379
WORKERS = 200
CONNECT_SECONDS = 3.0


@dataclass(frozen=True)
class Ports:
    """From ``first`` on: the head's register of nodes (GCS), a node's manager, its object manager, its agent (HTTP and
    gRPC), its environments and figures; from ``first`` + 21 on those of worker processes."""

    first: int = FIRST

    @property
    def gcs(self) -> int:
        return self.first

    @property
    def node(self) -> dict[str, int]:
        """Of every machine, by the name of Ray's option."""
        names = (
            "node-manager-port",
            "object-manager-port",
            "dashboard-agent-listen-port",
            "dashboard-agent-grpc-port",
            "runtime-env-agent-port",
            "metrics-export-port",
        )
        return {name: self.first + 1 + index for index, name in enumerate(names)}

    @property
    def workers(self) -> range:
        """Of the replicas and their helpers."""
        return range(self.first + 21, self.first + 21 + WORKERS)

    @property
    def options(self) -> list[str]:
        """For `ray start`, on any machine."""
        given = {**self.node, "min-worker-port": self.workers.start, "max-worker-port": self.workers.stop - 1}
        return [f"--{name}={port}" for name, port in given.items()]

    @property
    def answering(self) -> tuple[int, ...]:
        """Those of a node that others call: its manager's and its object manager's, and one of a worker."""
        return (self.node["node-manager-port"], self.node["object-manager-port"], self.workers.start)


def unreachable(host: str, ports: tuple[int, ...], seconds: float = CONNECT_SECONDS) -> dict[int, str]:
    """The ports of ``host`` at which nobody can be reached, with the reason."""

    def tried(port: int) -> str:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except OSError as error:
            return error.strerror or str(error)
        return ""

    with ThreadPoolExecutor(max(1, len(ports))) as pool:
        found = dict(zip(ports, pool.map(tried, ports), strict=True))
    return {port: reason for port, reason in found.items() if reason}


@contextmanager
def listening(ports: tuple[int, ...]) -> Iterator[dict[int, str]]:
    """Listen on ``ports`` while the block runs; gives those that are taken, with the reason."""
    taken: dict[int, str] = {}
    sockets = []
    try:
        for port in ports:
            listener = socket.socket()
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("", port))
                listener.listen()
                sockets.append(listener)
            except OSError as error:
                taken[port] = error.strerror or str(error)
                listener.close()
        yield taken
    finally:
        for listener in sockets:
            with suppress(OSError):
                listener.close()


def address_towards(host: str) -> str:
    """This machine's address on the way to ``host``.

    Raises:
        OSError: there is no way there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # nothing is sent
        return str(probe.getsockname()[0])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def own_addresses() -> list[str]:
    """This machine's IPv4 addresses that others may reach, the one on the way to everywhere first."""
    import psutil

    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == socket.AF_INET and not is_loopback(entry.address)
    ]
    with suppress(OSError):
        usual = address_towards("192.0.2.1")
        found = [usual] + [address for address in found if address != usual]
    return found
