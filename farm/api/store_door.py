"""The nodes' door to the head's artifacts, ``/store/KEY``: for those with the node credential, and for nothing else.

`GET` and `HEAD` give a file, or ranges of it; its ETag is its SHA-256 (`Range`, `If-Match`).

`PUT` brings the next piece of an upload: `X-Upload` is a name of 32 hexadecimal digits that the sender draws,
`X-SHA256` the hash of the whole file, and `Content-Range: bytes FIRST-LAST/SIZE` says which piece it is;
`bytes */SIZE` without a body asks how far the upload is. 202 is answered when more is needed, 409 when another
piece is, both with `Upload-Offset`; 201 when the file is in its place.

`POST ?publish=KEY` and `POST ?copy=KEY` put a file under this key instead of, or besides, that one. `DELETE` removes a
file, or all below a prefix.

Keys below ``given/`` lead to where weights and LoRAs of nodes arrive in the head's home, and all others to the
artifacts, if those are in a folder of the head.

It is no part of the API that people use. It stands before the wall, and has one of its own.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from farm.errors import ConflictError, DamagedArtifactError, FarmError, InputError
from farm.joining.arrivals import GIVEN, arrivals
from farm.settings import Settings
from farm.store.artifacts.http import OFFSET, PIECE, SHA256, UPLOAD
from farm.store.artifacts.local import LocalStore
from farm.store.artifacts.opening import open_store
from farm.store.artifacts.protocol import checked_key
from farm.store.artifacts.uploads import Uploads
from farm.tokens import TokenFile

from .paced import Refusal, name_of
from .wall import Wall

PREFIX = "/store/"
MOST_UPLOADS = 64
"""Large pieces at a time; none is held in memory."""
MOST_BYTES = 1 << 40
"""Of one file."""
BLOCK = 1 << 20
_EXTENT = re.compile(r"bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15})")

log = logging.getLogger(__name__)


class StoreDoor:
    """ASGI middleware: answers below ``/store/`` by itself, and lets all else pass.

    Args:
        app: what is behind it.
        settings: whose artifacts, and whose node credential.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        node_token = TokenFile(settings.node_token_path).read
        self._guarded = Wall(self._serve, node_token, node_token, PIECE, MOST_UPLOADS)
        self._shelves: _Shelves | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self._guarded if ours else self._app)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if self._shelves is None:
                self._shelves = _Shelves(self._settings)
            key = checked_key(scope["path"].removeprefix(PREFIX))
            if any(part.startswith(".") for part in key.split("/")):
                raise InputError(f"{key!r} is hidden.")
            shelf, key = self._shelves.of(key)
            response = await shelf.answer(request, key)
        except ClientDisconnect:
            return
        except FarmError as error:
            response = await _refusal(request, error)
        await response(scope, receive, send)


class _Shelves:
    """Where keys lead."""

    def __init__(self, settings: Settings) -> None:
        self._artifacts = open_store(settings)
        self._given = _Shelf(LocalStore(str(arrivals(settings))))
        self._own = _Shelf(self._artifacts) if isinstance(self._artifacts, LocalStore) else None

    def of(self, key: str) -> tuple["_Shelf", str]:
        """A key's shelf, and what it is called there; ConflictError when the artifacts are elsewhere."""
        root, _, rest = key.partition("/")
        if root == GIVEN and rest:
            return self._given, rest
        if self._own is None:
            url = self._artifacts.url
            raise ConflictError(f"the artifacts of this farm are in {url}; set FARM_ARTIFACTS_URL to that.")
        return self._own, key


class _Shelf:
    """What is asked for, done with the files."""

    def __init__(self, store: LocalStore) -> None:
        self._store, self._uploads = store, Uploads(store)

    async def answer(self, request: Request, key: str) -> Response:
        if request.method in ("GET", "HEAD"):
            return await self._send(request, key)
        if request.method == "PUT":
            return await self._take(request, key)
        if request.method == "DELETE":
            await asyncio.to_thread(self._store.remove_prefix, key)
            return Response(status_code=204)
        if request.method == "POST":
            for name, act in (("publish", self._store.publish), ("copy", self._store.copy)):
                if source := request.query_params.get(name):
                    await asyncio.to_thread(act, source, key)
                    return Response(status_code=204)
        raise Refusal(405, f"{request.method} is nothing to do here.")

    async def _send(self, request: Request, key: str) -> Response:
        sha256 = await asyncio.to_thread(self._uploads.hash_of, key)
        etag = f'"{sha256}"'
        if request.headers.get("if-match", etag) != etag:
            return Response(status_code=412, headers={"ETag": etag})
        return _File(self._store.full(key), media_type="application/octet-stream", headers={"ETag": etag})

    async def _take(self, request: Request, key: str) -> Response:
        upload, sha256 = request.headers.get(UPLOAD, ""), request.headers.get(SHA256, "")
        first, length, size = _extent(request)
        so_far = await asyncio.to_thread(self._uploads.so_far, upload, key, size, sha256)
        if length:
            with self._uploads.appending(upload, first) as piece:
                if piece is None:
                    async for _ in request.stream():
                        pass
                    return Response(status_code=409, headers={OFFSET: str(so_far)})
                async for block in _blocks(request):
                    await asyncio.to_thread(piece.write, block)
            so_far = first + length
        elif size == 0:
            with self._uploads.appending(upload, 0):
                pass
        if so_far < size:
            return Response(status_code=202, headers={OFFSET: str(so_far)})
        if length or size == 0 or not await self._is_there(key, sha256):
            await asyncio.to_thread(self._uploads.finish, upload, key, sha256)
        return Response(status_code=201, headers={"ETag": f'"{sha256}"'})

    async def _is_there(self, key: str, sha256: str) -> bool:
        there = await asyncio.to_thread(self._store.exists, key)
        return there and await asyncio.to_thread(self._uploads.hash_of, key) == sha256


class _File(FileResponse):
    chunk_size = BLOCK


def _extent(request: Request) -> tuple[int, int, int]:
    """First byte and length of the piece in a request, and the size of the whole file."""
    said = request.headers.get("content-range", "")
    found = _EXTENT.fullmatch(said)
    if not found:
        raise InputError(f"Content-Range is {said!r}; expected bytes FIRST-LAST/SIZE or bytes */SIZE.")
    size, length = int(found[3]), int(request.headers.get("content-length", "0"))
    if size > MOST_BYTES:
        raise Refusal(413, f"files of more than {MOST_BYTES >> 30} GiB are not taken.")
    first = int(found[1] or 0)
    if length != (int(found[2]) - first + 1 if found[1] else 0) or first + length > size:
        raise InputError(f"Content-Range is {said!r}, but {length} bytes are sent.")
    return first, length, size


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in larger pieces than those in which it comes; of one that is cut, all that came."""
    waiting = bytearray()
    try:
        async for piece in request.stream():
            waiting += piece
            if len(waiting) >= BLOCK:
                yield bytes(waiting)
                waiting.clear()
    except ClientDisconnect:
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)


async def _refusal(request: Request, error: FarmError) -> Response:
    """The error as an answer, after the rest of the body: nobody reads an answer before all is sent."""
    if error.status >= 500 and not isinstance(error, DamagedArtifactError):
        log.error("%s %s: %s", request.method, request.url.path, error)
    try:
        async for _ in request.stream():
            pass
    except (ClientDisconnect, RuntimeError):  # it is gone, or all was read
        pass
    body: dict[str, Any] = {"error": {"type": name_of(error), "message": " ".join(str(error).split())}}
    return JSONResponse(body, error.status)
