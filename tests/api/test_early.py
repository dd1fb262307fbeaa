"""The API until Ray Serve is up with it: the whole of it, on a port that another server may share."""

import logging
import socket
import time

import pytest

from farm.api.early import early_api
from farm.client import FarmClient
from farm.errors import ClusterError
from farm.joining.card import Cluster, write_cluster
from farm.joining.head import Head
from farm.joining.tokens import ensure_node_token
from farm.settings import Settings
from tests.support.ports import free_port


def test_machines_join_and_people_ask_while_the_port_is_shared(settings: Settings):
    settings.ensure_home()
    write_cluster(settings, Cluster("10.0.0.1:6379", 6379, "now"))
    nudged: list[bool] = []
    port = free_port()
    with early_api(settings, "127.0.0.1", port, lambda: nudged.append(True)):
        socket.create_server(("127.0.0.1", port), reuse_port=True).close()  # as Serve does later
        head = Head(f"127.0.0.1:{port}", ensure_node_token(settings))
        deadline = time.monotonic() + 30
        while True:
            try:
                card = head.card()
                break
            except ClusterError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert card.cluster is not None and card.cluster.session == "now"
        assert not head.sees("studio-1") and nudged
        with FarmClient(f"http://127.0.0.1:{port}", settings.token_path.read_text().strip()) as client:
            assert client.jobs()["jobs"] == []
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_port_that_is_taken_is_left_to_who_has_it(settings: Settings, caplog: pytest.LogCaptureFixture):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        caplog.at_level(logging.WARNING),
        early_api(settings, "127.0.0.1", taken.getsockname()[1], lambda: None),
    ):
        assert "answers only when Ray Serve is up" in caplog.text
