"""Refuses bodies over 100 MB while they arrive, before they fill memory or disk."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.settings import MAX_UPLOAD

MAX_BODY = MAX_UPLOAD
MESSAGE = f"the upload is larger than {MAX_BODY // 10**6} MB; send smaller files"


class BodyLimit:
    """ASGI middleware: answers 413 by the declared length, or once too much has come."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_large = declared.isdigit() and int(declared) > self.limit
        received = 0

        async def counted() -> Message:
            nonlocal received
            if too_large:
                raise HTTPException(413, MESSAGE)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(413, MESSAGE)
            return message

        await self.app(scope, counted, send)
