"""The dashboard under the API's address, so that a farm has one: what is not the API's is passed on to it, as it comes.

The dashboard listens on loopback and has a door of its own (``dashboard.door``); nothing is decided here. Bodies,
answers and WebSocket messages go through piece by piece, and nobody is read faster than the other side takes it.
"""

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress

import httpx
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from .paced import MAX_BODY, Paced

API_PATHS = ("/api/", "/docs", "/openapi.json", "/store/", "/metrics", "/-/")
"""Where the paths begin that are not the dashboard's."""
CONNECT_SECONDS = 5.0
FORM_BYTES = 1_000_000
"""What a form adds to the file in it."""
OF_THE_LINK = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers between two neighbours, which are not passed on."""
OF_THE_ANSWER = frozenset(name.encode() for name in (*OF_THE_LINK, "date", "server"))
"""Headers of an answer that this server says itself."""
UNSENT = {1005: 1000, 1006: 1001}
"""Codes with which a connection may have ended but that can't be sent, and what a browser is told instead."""
HOST = re.compile(r"[^\s@/?#\\]+")
AWAY = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>FramePack Farm</title>
<body style="font: 16px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh">
<p>The dashboard does not answer yet. This page tries again by itself.</p>
"""


class PagesDoor:
    """ASGI middleware.

    Args:
        app: the API.
        url: where the dashboard listens, such as ``http://127.0.0.1:8501``; empty for no dashboard.
    """

    def __init__(self, app: ASGIApp, url: str) -> None:
        self._app, self._url = app, httpx.URL(url)
        self._paced = Paced(self._pass_on, MAX_BODY + FORM_BYTES, most=64)
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if not self._url.host or kind == "lifespan" or scope["path"].startswith(API_PATHS):
            await self._app(scope, receive, send)
        elif kind == "websocket":
            await self._talk(WebSocket(scope, receive, send))
        else:
            await self._paced(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self._http is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
            timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
            self._http = httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False)
        body = request.stream() if int(request.headers.get("content-length", 0)) else None
        url, headers = self._url.copy_with(raw_path=_target(scope)), _passed_on(request.headers)
        sent = httpx.Request(request.method, url, headers=headers, content=body)
        try:
            found = await self._http.send(sent, stream=True)
        except ClientDisconnect:  # whoever asked has hung up
            return
        except (httpx.HTTPError, httpx.InvalidURL):
            await HTMLResponse(AWAY, 503, {"Cache-Control": "no-store", "Retry-After": "2"})(scope, receive, send)
            return
        answer = StreamingResponse(found.aiter_raw(), found.status_code, background=BackgroundTask(found.aclose))
        answer.raw_headers = [
            (name.lower(), value) for name, value in found.headers.raw if name.lower() not in OF_THE_ANSWER
        ]
        await answer(scope, receive, send)

    async def _talk(self, browser: WebSocket) -> None:
        """Carry messages both ways until either side ends."""
        host = browser.headers.get("host", "")
        if not HOST.fullmatch(host):
            await browser.close(1008)
            return
        try:
            async with connect(
                f"ws://{host}{_target(browser.scope).decode()}",
                host=self._url.host,
                port=self._url.port,
                additional_headers=_passed_on(browser.headers, "host", "sec-websocket-"),
                subprotocols=browser.scope["subprotocols"] or None,
                user_agent_header=None,
                compression=None,
                max_size=None,
                open_timeout=CONNECT_SECONDS,
                proxy=None,
            ) as pages:
                await browser.accept(pages.subprotocol)
                await _first_of(_to_pages(browser, pages), _to_browser(pages, browser))
                code = pages.close_code or 1001
                with suppress(RuntimeError, WebSocketDisconnect):  # the browser hung up first
                    await browser.close(UNSENT.get(code, code))
        except (OSError, TimeoutError, ValueError, WebSocketException):
            await browser.close(1008)


def _target(scope: Scope) -> bytes:
    """Path and query, byte for byte as they were asked for."""
    query = scope["query_string"]
    return bytes(scope["raw_path"] + (b"?" + query if query else b""))


def _passed_on(headers: Headers, *but: str) -> list[tuple[str, str]]:
    """The headers that go on; none whose name begins with one of ``but``."""
    return [
        (name, value) for name, value in headers.items() if name not in OF_THE_LINK and not name.startswith(tuple(but))
    ]


async def _first_of(*works: Coroutine[None, None, None]) -> None:
    """Until one of them ends; the others are ended too."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_pages(browser: WebSocket, pages: ClientConnection) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed):
        while True:
            message = await browser.receive()
            if message["type"] == "websocket.disconnect":
                return
            await pages.send(message["bytes"] if message.get("text") is None else message["text"])


async def _to_browser(pages: ClientConnection, browser: WebSocket) -> None:
    with suppress(WebSocketDisconnect, ConnectionClosed):
        async for message in pages:
            await (browser.send_text(message) if isinstance(message, str) else browser.send_bytes(message))
