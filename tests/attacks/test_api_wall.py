"""Attacks on the HTTP API by somebody without the token, and by somebody slow."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from farm import connections
from farm.api import paced
from farm.api.app import create_app
from farm.api.wall import OPEN_PATHS
from farm.settings import Settings
from tests.support.api import LiveFarm, picture

MEGABYTE = 1_000_000


def connect(farm: LiveFarm) -> socket.socket:
    parts = urlsplit(farm.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def head(farm: LiveFarm, path: str, length: int | None, token: str | None = None, **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: multipart/form-data; boundary=b"]
    lines += [f"Content-Length: {length}"] if length is not None else []
    lines += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], dict]:
    """Status, headers and JSON of an answer; reads until the other side hangs up."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    first, _, body = data.partition(b"\r\n\r\n")
    status, *lines = first.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, json.loads(body)


def test_every_operation_but_the_open_ones_asks_for_the_token(farm: LiveFarm) -> None:
    schema = httpx.get(f"{farm.url}/openapi.json").json()
    asked = 0
    for path, operations in schema["paths"].items():
        url = farm.url + path.replace("{job_id}", "x").replace("{name}", "video").replace("{section}", "0")
        for method in operations:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {farm.token}"}):
                answer = httpx.request(method, url, headers=headers)
                assert (answer.status_code == 200) is (path in OPEN_PATHS), (method, path, answer.status_code)
                asked += answer.status_code == 401
    assert asked >= 3 * 20
    for path in ("/", "/api", "/api/v1", "/redoc", "/-/routes", "/api/v1/health/../jobs", "/api/v1//jobs"):
        assert httpx.get(farm.url + path).status_code == 401, path


def test_a_token_in_the_wrong_place_is_none(farm: LiveFarm) -> None:
    for options in (
        {"params": {"token": farm.token, "access_token": farm.token}},
        {"cookies": {"token": farm.token}},
        {"headers": {"X-Token": farm.token}},
        {"headers": {"Authorization": farm.token}},
        {"headers": {"Authorization": f"Bearer {farm.token[:-1]}"}},
        {"headers": {"Authorization": f"Bearer {farm.token}x"}},
    ):
        assert httpx.get(f"{farm.url}/api/v1/jobs", **options).status_code == 401


def test_the_token_is_asked_for_before_a_byte_of_the_body_is_read(farm: LiveFarm) -> None:
    with connect(farm) as connection:
        connection.sendall(head(farm, "/api/v1/jobs", 90 * MEGABYTE))
        began = time.monotonic()
        status, headers, body = answer_of(connection)
        assert status == 401 and body["error"]["type"] == "AuthError"
        assert headers["connection"] == "close" and headers["www-authenticate"] == "Bearer"
        assert time.monotonic() - began < paced.LINGER_SECONDS + 3


def test_bodies_without_a_token_take_neither_memory_nor_disk(farm: LiveFarm) -> None:
    """15 of them held 900 MB of temporary files once."""
    before = psutil.Process().memory_info().rss
    open_files = len(psutil.Process().open_files())
    with ExitStack() as stack:
        for _ in range(15):
            connection = stack.enter_context(connect(farm))
            connection.sendall(head(farm, "/api/v1/jobs", 95 * MEGABYTE))
            try:
                for _ in range(60):
                    connection.sendall(bytes(MEGABYTE))
            except OSError:
                continue
        assert psutil.Process().memory_info().rss - before < 60 * MEGABYTE
        assert len(psutil.Process().open_files()) <= open_files + 1


@pytest.mark.parametrize(
    ("length", "headers", "status"),
    [
        (paced.MAX_BODY + 1, {}, 413),
        (None, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_bodies_that_are_too_large_or_of_unknown_length_are_not_read(farm, length, headers, status) -> None:
    with connect(farm) as connection:
        connection.sendall(head(farm, "/api/v1/jobs", length, farm.token, **headers))
        found, _, body = answer_of(connection)
        assert found == status and "\n" not in body["error"]["message"]


def test_a_body_that_stops_is_not_waited_for(farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "SILENCE_SECONDS", 0.3)
    with connect(farm) as connection:
        connection.sendall(head(farm, "/api/v1/jobs", MEGABYTE, farm.token) + b"--b\r\n")
        status, _, body = answer_of(connection)
    assert status == 408 and "too slowly" in body["error"]["message"]


def test_a_body_that_trickles_is_not_waited_for(farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "LEAST_RATE", 1e12)
    monkeypatch.setattr(paced, "FIRST_SECONDS", 0.5)
    with connect(farm) as connection:
        part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        connection.sendall(head(farm, "/api/v1/jobs", MEGABYTE, farm.token) + part)
        began = time.monotonic()

        def trickle() -> None:
            try:
                while time.monotonic() - began < 20:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

        sender = threading.Thread(target=trickle)
        sender.start()
        status, _, _ = answer_of(connection)
        assert status == 408 and time.monotonic() - began < 10
    sender.join()


def test_only_some_large_bodies_come_at_a_time(farm: LiveFarm) -> None:
    with ExitStack() as stack:
        for _ in range(paced.UPLOADS):
            connection = stack.enter_context(connect(farm))
            connection.sendall(head(farm, "/api/v1/jobs", 10 * MEGABYTE, farm.token) + b"--b\r\n")
        time.sleep(0.3)
        with connect(farm) as more:
            more.sendall(head(farm, "/api/v1/jobs", 10 * MEGABYTE, farm.token))
            status, headers, _ = answer_of(more)
            assert status == 503 and int(headers["retry-after"]) > 0
        with farm.client() as client:
            assert client.submit(picture(), {"prompt": "p", "total_second_length": 1.2})["id"]
    deadline = time.monotonic() + 20
    while True:  # once the others hung up, there is room again
        with connect(farm) as again:
            again.sendall(head(farm, "/api/v1/jobs", 10 * MEGABYTE, farm.token))
            again.settimeout(0.5)
            try:
                assert b" 503 " in again.recv(1000) and time.monotonic() < deadline
            except TimeoutError:
                return


def test_connections_that_say_nothing_are_closed(farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    with connect(farm) as silent, connect(farm) as slow, connect(farm) as second:
        second.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in second.recv(10_000)
        second.sendall(b"GET /api/v1/heal")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 15:
                slow.sendall(b"GET / HTTP/1.1\r\n" if time.monotonic() - began < 0.1 else b"X-Slow: yes\r\n")
                time.sleep(0.05)
        assert time.monotonic() - began < 10
        for connection in (silent, second):
            assert ended(connection)


def test_connections_without_headers_are_counted(farm: LiveFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 of them stayed open once."""
    monkeypatch.setattr(connections, "WAITING", 20)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(farm)) for _ in range(60)]
        time.sleep(0.5)
        assert sum(map(closed, silent)) >= 40
        assert len(connections.GuardedProtocol.waiting) <= 20
    deadline = time.monotonic() + 20
    while connections.GuardedProtocol.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert httpx.get(f"{farm.url}/api/v1/health").status_code == 200


def test_answers_are_not_framed_nor_guessed_at(farm: LiveFarm) -> None:
    for answer in (
        httpx.get(f"{farm.url}/api/v1/health"),
        httpx.get(f"{farm.url}/docs"),
        httpx.get(f"{farm.url}/api/v1/jobs"),
        httpx.get(f"{farm.url}/api/v1/jobs", headers={"Authorization": f"Bearer {farm.token}"}),
    ):
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_secrets_are_in_no_record_that_is_printed(tmp_path) -> None:
    settings = Settings.from_environment(
        {"FARM_HOME": str(tmp_path), "FARM_DATABASE_URL": "postgresql://farm:hunter2@h/d"}
    )
    assert "hunter2" not in repr(settings) and "hunter2" not in str(settings)
    assert "hunter2" not in json.dumps(create_app(Settings.for_home(tmp_path)).openapi())


def ended(connection: socket.socket) -> bool:
    connection.settimeout(10)
    try:
        while connection.recv(1000):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
