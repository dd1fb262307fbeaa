"""Ports for what a test starts."""

import random
import socket

_USED: set[int] = set()
"""Given in this process."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses, below those that the system gives to outgoing connections: one of these
    may be gone by the time that a slow service binds it. Never the same twice."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        if port not in _USED and is_free(port):
            _USED.add(port)
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
