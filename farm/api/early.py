"""The API until Ray Serve is up with it, so that machines that join, and everybody else, need not wait for that."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from farm.connections import GuardedProtocol
from farm.settings import Settings

from .app import create_app

PARTING_SECONDS = 2
"""For so long what is being answered at the end may go on."""

log = logging.getLogger(__name__)


@contextmanager
def early_api(settings: Settings, host: str, port: int, nudge: Callable[[], None]) -> Iterator[None]:
    """Answer at ``port``, in a thread of this process, while the block runs. Serve shares the port when it comes
    (SO_REUSEPORT), as both let others do; where that can't be had, it says so itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, reuse_port=True)
    except (OSError, ValueError) as error:
        log.warning("%s:%s answers only when Ray Serve is up: %s", host, port, error)
        yield
        return
    config = uvicorn.Config(
        create_app(settings, nudge),
        http=GuardedProtocol,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=PARTING_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="early API", daemon=True)
    with listener:
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(2 * PARTING_SECONDS)
