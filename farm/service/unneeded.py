"""Keeps Ray from starting servers that nobody of a farm asks, for some of which each start would wait.

Ray has options for a few of them only; hence this, by way of its hook for what a start should change.
"""

from typing import Any

HOOK = f"{__name__}.at_start"
"""For ``RAY_START_HOOK``."""
SERVERS = ("api_server", "ray_client_server", "monitor", "log_monitor")
"""Of the dashboard, of Ray Client, of the autoscaler, which a farm's own Ray has none of, and what copies logs."""


def leave_out() -> None:
    """From now on a Ray that this process starts has none of them."""
    from ray._private.node import Node

    for server in SERVERS:
        setattr(Node, f"start_{server}", lambda node, **options: None)


def at_start(params: Any, head: bool) -> None:
    """Called in the process of `ray start`, with Ray's own record of what it is about to start."""
    leave_out()
