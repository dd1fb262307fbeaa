"""The HTTP client on a bad line: a connection that is hung up on without an answer."""

import socket
import threading
from collections.abc import Iterator

import pytest

from farm.client import FarmClient
from farm.errors import ClusterError

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Iterator[tuple[FarmClient, list[bytes]]]:
    """A server that hangs up on the first requests, as many as the parameter says; and the requests it has got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    got.append(connection.recv(65536).split(b"\r\n")[0])
                    if len(got) > request.param:
                        connection.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with FarmClient(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            yield client, got
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("line", [1], indirect=True)
def test_a_question_is_asked_once_more(line: tuple[FarmClient, list[bytes]]):
    client, got = line
    assert client.health() == {"status": "ok"}
    assert got == [b"GET /api/v1/health HTTP/1.1"] * 2


@pytest.mark.parametrize("line", [9], indirect=True)
def test_and_not_more_often(line: tuple[FarmClient, list[bytes]]):
    client, got = line
    with pytest.raises(ClusterError, match=r"the connection to the farm at .* broke"):
        client.health()
    assert len(got) == 2


@pytest.mark.parametrize("line", [1], indirect=True)
def test_an_order_is_not_repeated(line: tuple[FarmClient, list[bytes]]):
    client, got = line
    with pytest.raises(ClusterError, match="broke"):
        client.cancel("3f2a")
    assert len(got) == 1
