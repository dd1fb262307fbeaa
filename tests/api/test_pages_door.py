"""The dashboard under the API's address: what goes through, in which pieces, and what is not passed on."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from farm.api.app import create_app
from farm.api.paced import MAX_BODY
from farm.api.pages_door import FORM_BYTES, PagesDoor
from farm.settings import Settings
from tests.support.ports import free_port

PIECE = bytes(range(256)) * 256
asking = httpx.Client(timeout=60)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


class Pages:
    """Stands for the dashboard; tells what it was asked."""

    def __init__(self) -> None:
        self.came: SimpleQueue[int] = SimpleQueue()
        self.may_end = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/slow", self.slow),
                Route("/upload", self.upload, methods=["PUT"]),
                WebSocketRoute("/stream", self.stream),
                Route("/leave", lambda request: RedirectResponse("/login?x=1", 303)),
                Route("/{path:path}", self.echo),
            ]
        )

    async def echo(self, request: Request) -> JSONResponse:
        raw = (request.scope["raw_path"] + b"?" + request.scope["query_string"]).decode()
        answer = JSONResponse({"target": raw, "headers": request.headers.items()})
        answer.raw_headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        return answer

    async def slow(self, request: Request) -> StreamingResponse:
        async def pieces():
            yield PIECE
            await asyncio.to_thread(self.may_end.wait, 20)
            yield PIECE

        return StreamingResponse(pieces())

    async def upload(self, request: Request) -> JSONResponse:
        size = 0
        async for piece in request.stream():
            size += len(piece)
            self.came.put(size)
        return JSONResponse(size)

    async def stream(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol=socket.scope["subprotocols"][-1])
        await socket.send_json({"host": socket.headers["host"], "cookie": socket.headers["cookie"]})
        await socket.send_bytes(await socket.receive_bytes())
        await socket.send_text(await socket.receive_text())
        await socket.close(4001)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages()


@pytest.fixture(scope="module")
def url(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a farm's API, with a dashboard behind it."""
    with served(pages.app) as behind:
        settings = replace(Settings.for_home(tmp_path_factory.mktemp("farm")), dashboard_url=behind)
        with served(create_app(settings)) as front:
            yield front


def test_each_path_comes_to_its_own(url: str) -> None:
    for path in ("/api/v1/jobs", "/api/v1/nonsense", "/metrics", "/store/x", "/-/routes"):
        assert asking.get(f"{url}{path}").json()["error"]["type"] == "AuthError", path
    assert asking.get(f"{url}/api/v1/health").status_code == asking.get(f"{url}/openapi.json").status_code == 200
    for path in ("/", "/queue", "/apis", "/job?id=5&x=%2F%22", "/media/a%20b%2Fc.mp4"):
        assert asking.get(f"{url}{path}").json()["target"] == path + ("" if "?" in path else "?")


def test_headers_stay_what_they_are(url: str) -> None:
    answer = asking.get(f"{url}/x", headers={"Host": "farm.example", "Cookie": "s=1", "TE": "trailers"})
    asked = dict(answer.json()["headers"])
    assert asked["host"] == "farm.example" and asked["cookie"] == "s=1" and "te" not in asked
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    bare = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as connection:
        connection.sendall(bare)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"user-agent" not in said and b"accept-encoding" not in said  # nothing is asked that nobody asked for
    assert asking.get(f"{url}/leave").headers["location"] == "/login?x=1"


def test_an_answer_comes_in_pieces_as_it_is_made(url: str, pages: Pages) -> None:
    with asking.stream("GET", f"{url}/slow") as answer:
        pieces = answer.iter_bytes()
        assert PIECE.startswith(next(pieces))  # while the other one is not there yet
        pages.may_end.set()
        assert sum(map(len, pieces)) > len(PIECE)


def test_an_upload_goes_through_while_it_comes(url: str, pages: Pages) -> None:
    def body() -> Iterator[bytes]:
        yield PIECE
        assert pages.came.get(timeout=20)
        yield PIECE

    length = {"Content-Length": str(2 * len(PIECE))}
    assert asking.put(f"{url}/upload", content=body(), headers=length).json() == 2 * len(PIECE)
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as connection:
        length = MAX_BODY + FORM_BYTES + 1
        connection.sendall(f"PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert asking.put(f"{url}/upload", content=iter([b"x"])).status_code == 411


def test_messages_go_both_ways(url: str) -> None:
    where, headers = url.replace("http", "ws", 1), {"Cookie": "s=1"}
    with connect(
        f"{where}/stream", subprotocols=["a", "b"], additional_headers=headers, max_size=None, proxy=None
    ) as talk:
        assert talk.subprotocol == "b"
        assert talk.recv() == f'{{"host":"{url.removeprefix("http://")}","cookie":"s=1"}}'
        large = PIECE * 40  # 2.6 MB
        talk.send(large)
        assert talk.recv() == large
        talk.send("ü")
        assert talk.recv() == "ü"
        with pytest.raises(ConnectionClosedError) as ended:
            talk.recv()
        assert ended.value.rcvd is not None and ended.value.rcvd.code == 4001
    for path in ("/nowhere", "/api/v1/jobs"):
        with pytest.raises(InvalidStatus):
            connect(f"{where}{path}", proxy=None).close()


def test_a_dashboard_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with served(PagesDoor(create_app(Settings.for_home(tmp_path)), f"http://127.0.0.1:{free_port()}")) as url:
        answer = asking.get(url)
        assert answer.status_code == 503 and "does not answer yet" in answer.text
        with pytest.raises(InvalidStatus):
            connect(f"{url.replace('http', 'ws', 1)}/stream", proxy=None).close()


def test_without_a_dashboard_nothing_is_passed_on(tmp_path: Path) -> None:
    with served(create_app(Settings.for_home(tmp_path))) as url:
        assert asking.get(url).status_code == 401
