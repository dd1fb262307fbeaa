"""The wall around the API: who may ask, before a byte of a body is read; and how much and how slowly they may send.

It stands wherever requests arrive: in Ray Serve's proxy (see ``farm.api.front``) and around the application itself.
"""

import hmac
from collections.abc import Callable
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from farm.accounts.people import HOUSEHOLD, Caller
from farm.accounts.users import Users
from farm.errors import AuthError, FarmError

from .paced import MAX_BODY, UPLOADS, Paced, refuse

DOCS_FILES = "/docs/files"
"""Where the page ``/docs`` gets what it consists of: from the farm, since there may be no other network."""
OPEN_PATHS = frozenset(
    {
        *("/api/v1/health", "/-/healthz", "/openapi.json", "/docs", "/docs/oauth2-redirect"),
        *(f"{DOCS_FILES}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")),
    }
)
"""What answers without a token: whether the farm is well, and how its API is used. No word about jobs or people."""
NODE_PATHS = ("/api/v1/join/", "/store/")
"""Where paths begin that only machines ask for that render for the farm, with a token of their own."""
CALLER = "farm_caller"
"""Where a request's scope says who asks."""
USER = "x-farm-user"
"""Header: the person for whom whoever has the farm's token asks, quoted as in URLs; so does the dashboard."""


class Wall:
    """ASGI middleware.

    Args:
        app: what is behind it.
        token: gives the farm's token, which may change.
        node_token: gives that of the machines that render for it, which opens ``NODE_PATHS`` and nothing else.
        limit: bytes of a body.
        most: large bodies at a time.
        users: people with tokens of their own, None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: Callable[[], str],
        node_token: Callable[[], str],
        limit: int = MAX_BODY,
        most: int = UPLOADS,
        users: Users | None = None,
    ) -> None:
        self._paced = Paced(app, limit, most)
        self._app, self._token, self._node_token, self._users = app, token, node_token, users

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
                of_node = scope["path"].startswith(NODE_PATHS)
                scope[CALLER] = self._caller(headers.get("authorization", ""), headers.get(USER, ""), of_node)
        except FarmError as error:  # also of files that say who may come in
            await refuse(error, receive, send)
            return
        await self._paced(scope, receive, send)

    def _caller(self, authorization: str, user: str, of_node: bool) -> Caller:
        """Who asks; AuthError when that is nobody. Whoever has the farm's token may ask as a ``user``."""
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "bearer" or not given.strip():
            raise AuthError(
                "a token is needed: send `Authorization: Bearer TOKEN`, set FARM_TOKEN, or see `farm token`"
            )
        right = self._node_token() if of_node else self._token()
        if hmac.compare_digest(given.strip().encode(), right.encode()):
            caller = self._users.by_name(unquote(user)) if user and self._users and not of_node else HOUSEHOLD
            if caller is None:
                raise AuthError(f"there is no user {unquote(user)!r} any more; sign in again")
            return caller
        if self._users and not of_node and (caller := self._users.by_token(given.strip())):
            return caller
        command = "farm token --node" if of_node else "farm token"
        raise AuthError(f"the token is wrong; `{command}` on the farm's machine prints the right one")
