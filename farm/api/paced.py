"""What people send, bounded before a byte is read: how long a body is, how slowly it may come, how many at a time.

Also how a request is refused that is not let in.
"""

import asyncio
import json
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.errors import BusyError, FarmError, InputError
from farm.settings import MAX_UPLOAD

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


class Paced:
    """ASGI middleware for HTTP requests.

    Args:
        app: what is behind it.
        limit: bytes of a body.
        most: large bodies at a time.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY, most: int = UPLOADS) -> None:
        self._app, self._limit, self._most = app, limit, most
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            length = self._length(Headers(scope=scope))
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
