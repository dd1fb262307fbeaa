"""People who sign in by a provider of identities (OpenID Connect): whose e-mail address it has verified comes in as the
person of the farm with that address. Nobody is added by that.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc.errors import JoseError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from farm.errors import AuthError, InputError

NAMES = ("FARM_OIDC_URL", "FARM_OIDC_CLIENT_ID", "FARM_OIDC_CLIENT_SECRET")
SECONDS = 600
"""For how long somebody may be at the provider."""


class Provider:
    """The provider, and the way there and back.

    Args:
        url: its address, below which ``/.well-known/openid-configuration`` is.
        client_id, client_secret: how it knows this farm.
        person: gives the name of whom the farm knows by an e-mail address, empty for nobody.
    """

    PATH = "/login/oidc"
    BACK = "/login/oidc/back"
    COOKIE = "farm_oidc"

    def __init__(self, url: str, client_id: str, client_secret: str, person: Callable[[str], str]) -> None:
        self.name = urlsplit(url).hostname or url
        self._person = person
        self._kept = URLSafeTimedSerializer(secrets.token_bytes(32))
        self._client: Any = OAuth().register(
            "provider",
            client_id=client_id,
            client_secret=client_secret,
            server_metadata_url=f"{url}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "trust_env": False},
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], person: Callable[[str], str]) -> "Provider | None":
        """What ``FARM_OIDC_URL`` and its companions say; None when they say nothing.

        Raises:
            InputError: one of them is missing, or the address can't be used.
        """
        given = {name: environ.get(name, "").strip() for name in NAMES}
        if not any(given.values()):
            return None
        if missing := [name for name, value in given.items() if not value]:
            raise InputError(f"{' and '.join(missing)} should be set too; {', '.join(NAMES)} belong together.")
        url = given[NAMES[0]].rstrip("/")
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
            raise InputError(f"{NAMES[0]} is {url!r}; expected an address that begins with https://.")
        return cls(url, given[NAMES[1]], given[NAMES[2]], person)

    async def ask(self, request: Request, onward: str) -> Response:
        """Send the browser to the provider; AuthError when that does not answer."""
        request.scope["session"] = session = {"next": onward}
        try:
            answer: Response = await self._client.authorize_redirect(request, str(request.base_url) + self.BACK[1:])
        except (AuthlibBaseError, httpx.HTTPError, ValueError) as error:
            raise AuthError(f"{self.name} can't be asked: {error or type(error).__name__}") from error
        secure = request.url.scheme == "https"
        kept = self._kept.dumps(session)
        answer.set_cookie(
            self.COOKIE, kept, max_age=SECONDS, path=self.PATH, httponly=True, samesite="lax", secure=secure
        )
        return answer

    async def told(self, request: Request) -> tuple[str, str]:
        """Who came back from it, and where they were going.

        Raises:
            AuthError: it does not say, or it is nobody of the farm.
        """
        try:
            session = self._kept.loads(request.cookies.get(self.COOKIE, ""), max_age=SECONDS)
        except BadSignature:
            raise AuthError(f"Signing in with {self.name} took too long, or began elsewhere. Try again.") from None
        request.scope["session"] = session
        try:
            found = (await self._client.authorize_access_token(request)).get("userinfo") or {}
        except (AuthlibBaseError, JoseError, httpx.HTTPError, ValueError) as error:
            raise AuthError(f"{self.name} did not let you in: {error or type(error).__name__}") from error
        email = str(found.get("email") or "")
        if not email or found.get("email_verified") is not True:
            raise AuthError(f"{self.name} has no verified e-mail address of yours.")
        person = await run_in_threadpool(self._person, email)
        if not person:
            raise AuthError(f"Nobody of this farm has the address {email}. An admin can set it: `farm users email`.")
        return person, str(session.get("next", "/"))
