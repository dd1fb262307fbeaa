"""A farm that can't start says why."""

import socket

import pytest

from farm.errors import ClusterError, ConflictError
from farm.service import launch
from farm.service.state import ServiceOptions, is_running
from farm.settings import Settings
from tests.support.ports import free_port


def test_taken_port_is_named(settings: Settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}.*--port"):
            launch.start(settings, ServiceOptions(port=port))


def test_a_farm_that_cannot_start_says_why(settings: Settings):
    options = ServiceOptions(port=free_port(), address="127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"did not start: can't join the Ray cluster at 127\.0\.0\.1:1"):
        launch.start(settings, options)
    assert not is_running(settings)
