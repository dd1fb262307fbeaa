"""The door of the dashboard: who may come in. It stands before everything that Streamlit serves.

In comes whoever has the farm's token, or one of their own, or a link that ``farm up`` or ``farm open`` printed, which
works once, or whom a provider of identities knows (``dashboard.oidc``), where there is one. A signed cookie remembers
it. What is asked for under a foreign name (as by DNS rebinding), or by another site's page, is refused with or without
the cookie; nobody may show the dashboard in a frame.
"""

import asyncio
import hmac
import ipaddress
import socket
from collections.abc import Callable, Collection
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.errors import AuthError, FarmError
from farm.tokens import LoginKeys

from . import credentials
from .login_page import login_page
from .oidc import Provider

OPEN_PATHS = frozenset({"/_stcore/health"})
MAX_FORM = 4096
FORM_SECONDS = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}

NO_TOKEN = "The dashboard has no token. Start it with the FARM_HOME of the farm, or with FARM_TOKEN."
WRONG = "That is not the farm's token, nor anybody's own. On the farm's machine, `farm token` prints it."
USED_UP = "This link has been used, or is too old. `farm open` makes another."


class Door:
    """ASGI middleware.

    Args:
        app: what is behind it.
        token: gives the farm's token, which may change; sessions end when it does.
        keys: links that work once.
        hosts: names besides loopback, this machine's own and plain addresses under which people may come.
        person: gives the name of whose token that is, empty for nobody's; may ask the farm.
        provider: of identities; None for none.
        cookie: name of the session's cookie. Browsers share cookies among the ports of a host, so it names the port.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: Callable[[], str],
        keys: LoginKeys,
        hosts: Collection[str],
        cookie: str,
        person: Callable[[str], str] = lambda token: "",
        provider: Provider | None = None,
    ) -> None:
        self._provider = provider
        self._app, self._token, self._keys, self._cookie, self._person = app, token, keys, cookie, person
        self._hosts = {name.lower() for name in (*hosts, "localhost", socket.gethostname(), socket.getfqdn())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal or not self._is_in(scope):
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self._app(scope, receive, send)
            return
        if refusal:
            answer: Response | None = PlainTextResponse(refusal, 403)
        elif scope["path"] == "/login":
            answer = await self._login(Request(scope, receive))
        elif self._provider and scope["path"].startswith(self._provider.PATH):
            answer = await self._known(Request(scope, receive), self._provider)
        elif scope["path"] == "/logout":
            answer = RedirectResponse("/", 303)
            answer.delete_cookie(self._cookie, path="/", httponly=True, samesite="lax")
        elif scope["path"] in OPEN_PATHS or self._is_in(scope):
            answer = None
        else:
            answer = self._ask(scope, headers)
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Why this can't come from a person in front of the dashboard; empty when it can."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return (
                f"The dashboard is not known as {host[:200]!r}. Add the name to FARM_DASHBOARD_HOSTS if it should be."
            )
        origin = headers.get("origin")
        matters = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if matters and origin is not None:
            netloc = origin.partition("://")[2]
            if netloc != host and _name(netloc) not in self._hosts - {"localhost"}:
                return f"Pages of {origin[:200]!r} may not use the dashboard."
        return ""

    def _is_ours(self, host: str) -> bool:
        """Loopback, plain addresses, which nobody can point elsewhere, and the names we know."""
        name = _name(host)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts or name.endswith(".localhost")
        return True

    def _is_in(self, scope: Scope) -> bool:
        cookie = Request({**scope, "type": "http"}).cookies.get(self._cookie, "")
        try:
            credentials.read(self._token(), cookie)
        except AuthError:
            return False
        return True

    def _ask(self, scope: Scope, headers: Headers) -> Response:
        """For a page: the form to sign in, that leads on to it. For anything else: a word."""
        if scope["method"] != "GET" or "text/html" not in headers.get("accept", ""):
            return PlainTextResponse("Sign in first.", 401)
        query = scope["query_string"].decode("latin-1")
        return self._form(quote(scope["path"]) + (f"?{query}" if query else ""), "" if self._token() else NO_TOKEN)

    async def _login(self, request: Request) -> Response:
        onward = _local(request.query_params.get("next", "/"))
        if request.method == "GET":
            key = request.query_params.get("key", "")
            if key and self._token() and self._keys.use(key):
                return self._welcome(onward, request)
            return self._form(onward, USED_UP if key else "")
        if request.method != "POST":
            return PlainTextResponse("GET or POST.", 405, {"Allow": "GET, POST"})
        given = await _form_token(request)
        known = self._token()
        if not known:
            return self._form(onward, NO_TOKEN)
        if hmac.compare_digest(given.encode(), known.encode()):
            return self._welcome(onward, request)
        try:
            person = await run_in_threadpool(self._person, given) if given else ""
        except FarmError as error:
            return self._form(onward, f"The farm can't be asked who you are: {error}")
        return self._welcome(onward, request, person) if person else self._form(onward, WRONG)

    async def _known(self, request: Request, provider: Provider) -> Response:
        """To the provider, or back from it."""
        onward = _local(request.query_params.get("next", "/"))
        try:
            if request.url.path == provider.PATH:
                return await provider.ask(request, onward)
            person, onward = await provider.told(request)
        except FarmError as error:
            return self._form("/", str(error))
        return self._welcome(_local(onward), request, person)

    def _welcome(self, onward: str, request: Request, person: str = "") -> Response:
        answer = RedirectResponse(onward, 303)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            self._cookie,
            credentials.sign(self._token(), person),
            max_age=credentials.SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )
        return answer

    def _form(self, onward: str, problem: str) -> Response:
        next_page = quote(_local(onward), safe="")
        other = (f"{self._provider.PATH}?next={next_page}", self._provider.name) if self._provider else ("", "")
        page = login_page(f"/login?next={next_page}", problem, *other)
        return HTMLResponse(page, 401, {"Cache-Control": "no-store"})


def _name(netloc: str) -> str:
    """The host's name or address in ``host:port``; empty when it is none."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "") if "@" not in netloc and "/" not in netloc else ""
    except ValueError:
        return ""


def _local(target: str) -> str:
    """``target`` if it is a path of this server, else the first page."""
    plain = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    return target if plain and not target.startswith(("/login", "/logout")) else "/"


async def _form_token(request: Request) -> str:
    """The token in a form of at most ``MAX_FORM`` bytes; empty when there is none."""
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_FORM:
                    return ""
    except TimeoutError:
        return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0].strip()


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return guarded
