"""The wall around the API: who may ask, and how much and how slowly they may send, before a byte of a body is read.

It stands wherever requests arrive: in Ray Serve's proxy (see ``farm.api.front``) and around the application itself.
"""

import asyncio
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.errors import AuthError, BusyError, FarmError, InputError
from farm.settings import MAX_UPLOAD

OPEN_PATHS = frozenset({"/api/v1/health", "/docs", "/docs/oauth2-redirect", "/openapi.json", "/-/healthz"})
"""What answers without a token: whether the farm is well, and how its API is used. No word about jobs or people."""
NODE_PATHS = ("/api/v1/join/", "/store/")
"""Where paths begin that only machines ask for that render for the farm, with a token of their own."""
MAX_BODY = MAX_UPLOAD
SILENCE_SECONDS = 20.0
"""Longest time between two pieces of a body."""
FIRST_SECONDS = 60.0
LEAST_RATE = 50_000
"""Bytes a second that a body must come with on the whole, after ``FIRST_SECONDS``."""
LARGE = 1_000_000
UPLOADS = 4
"""Bodies of more than ``LARGE`` bytes at a time: each may be held in memory until it is complete."""
RETRY_SECONDS = 5
LINGER_SECONDS = 2.0

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "frame-ancestors 'none'",
}
"""On every answer: browsers neither frame it, nor guess what it is, nor tell others where it was."""


class Refusal(FarmError):
    """A request that is not let in."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Wall:
    """ASGI middleware.

    Args:
        app: what is behind it.
        token: gives the farm's token, which may change.
        node_token: gives that of the machines that render for it, which opens ``NODE_PATHS`` and nothing else.
        limit: bytes of a body.
        most: large bodies at a time.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: Callable[[], str],
        node_token: Callable[[], str],
        limit: int = MAX_BODY,
        most: int = UPLOADS,
    ) -> None:
        self._app, self._token, self._node_token, self._limit, self._most = app, token, node_token, limit, most
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the API has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if scope["path"] not in OPEN_PATHS:
                self._require_token(headers.get("authorization", ""), scope["path"].startswith(NODE_PATHS))
            length = self._length(headers)
            large = length > LARGE
            if large and self._uploads >= self._most:
                raise BusyError(f"{self._most} large uploads are on their way already; try again in a moment.")
        except FarmError as error:
            await refuse(error, receive, send)
            return
        self._uploads += large
        try:
            await self._let_in(scope, receive, send, length)
        finally:
            self._uploads -= large

    def _require_token(self, authorization: str, of_node: bool) -> None:
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "bearer" or not given.strip():
            raise AuthError(
                "a token is needed: send `Authorization: Bearer TOKEN`, set FARM_TOKEN, or see `farm token`"
            )
        right = self._node_token() if of_node else self._token()
        if not hmac.compare_digest(given.strip().encode(), right.encode()):
            command = "farm token --node" if of_node else "farm token"
            raise AuthError(f"the token is wrong; `{command}` on the farm's machine prints the right one")

    def _length(self, headers: Headers) -> int:
        if "transfer-encoding" in headers:
            raise Refusal(411, "say how long the body is (Content-Length); bodies of unknown length are not read.")
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            raise InputError(f"Content-Length is {declared!r}; expected a number of bytes.")
        if int(declared) > self._limit:
            raise Refusal(413, f"the upload is larger than {self._limit // 10**6} MB; send smaller files")
        return int(declared)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, length: int) -> None:
        began, late, started, missing = time.monotonic(), False, False, length

        async def paced() -> Message:
            nonlocal late, missing
            if missing <= 0:
                return await receive()
            left = began + FIRST_SECONDS + length / LEAST_RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, min(SILENCE_SECONDS, left)))
            except TimeoutError:
                late = True
                return {"type": "http.disconnect"}
            missing -= len(message.get("body", b""))
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if late and not started:
                return  # what the application makes of the lost body; it is answered below
            if message["type"] == "http.response.start":
                started = True
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, paced, guarded)
        except Exception:
            if not late:
                raise
        if late and not started:
            await refuse(Refusal(408, "the body came too slowly, or stopped; send it again."), None, send)


async def refuse(error: FarmError, receive: Receive | None, send: Send) -> None:
    """Answer with the error, in the API's own form, and hang up.

    What the other side is still sending is thrown away for a moment: it would not read the answer before it has sent.
    """
    body = json.dumps({"error": {"type": name_of(error), "message": " ".join(str(error).split())}}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **({"www-authenticate": "Bearer"} if error.status == 401 else {}),
        **({"retry-after": str(RETRY_SECONDS)} if error.status in (429, 503) else {}),
        **HEADERS,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if receive is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                    pass
    await send({"type": "http.response.body", "body": b""})


def name_of(error: FarmError) -> str:
    """The error's name in answers; clients raise the error of that name."""
    return "InputError" if isinstance(error, Refusal) else type(error).__name__
