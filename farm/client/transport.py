"""How requests reach a farm and its answers come back: as JSON, as bytes, or as the errors that the farm raised."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from farm import errors
from farm.answers import error_of
from farm.errors import AuthError, ClusterError, FarmError, InputError
from farm.settings import DEFAULT_URL

IDLE_SECONDS = 2.0
"""How long an idle connection is kept for the next request; servers hang up after 5 s, perhaps just then."""

Json = dict[str, Any]

_ERRORS = {cls.__name__: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, FarmError)}


class Transport:
    """A connection to one farm. Thread-safe; usable as a context manager."""

    def __init__(self, base_url: str = DEFAULT_URL, token: str = "", timeout: float = 30.0, user: str = "") -> None:
        """``timeout``: seconds that an answer may take to begin or to pause; event streams have their own. ``user``:
        for whom whoever has the farm's own token asks."""
        self.base_url = base_url.rstrip("/")
        try:
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, UnicodeError):
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(f"{base_url!r} is no URL of a farm; expected one such as {DEFAULT_URL}")
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api/v1",
            headers=[
                *([(b"Authorization", b"Bearer " + token.encode())] if token else []),
                *([(b"X-Farm-User", quote(user, safe="").encode())] if user else []),
            ],
            timeout=httpx.Timeout(timeout, connect=5.0),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            trust_env=url.host not in ("127.0.0.1", "localhost", "::1"),  # never through a proxy
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _json(self, method: str, path: str, **options: Any) -> Json:
        response = self._send(method, path, **options)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ClusterError(f"{self.base_url} answers, but it is not a farm; check the URL")
        return answer

    def _list(self, path: str, key: str) -> list[Json]:
        return list(self._json("GET", path).get(key, []))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._open(method, path, **options) as response:
            response.read()
            return response

    def _open(self, method: str, path: str, **options: Any) -> "_Answer":
        return _Answer(self, method, path, options)


class _Answer:
    """One request as a context manager: opens the stream, turns failures of either side into FarmErrors."""

    def __init__(self, client: Transport, method: str, path: str, options: dict[str, Any]) -> None:
        self._url = client.base_url
        self._begin = lambda: client._http.stream(method, path, **options)
        self._harmless = method == "GET"

    def __enter__(self) -> httpx.Response:
        try:
            try:
                response = self._enter()
            except httpx.RemoteProtocolError:  # hung up on without an answer, as by a farm that restarts
                if not self._harmless:
                    raise
                response = self._enter()
            if response.status_code >= 400:
                response.read()
                self._stream.__exit__(None, None, None)
                raise self._error(response)
            return response
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _enter(self) -> httpx.Response:
        self._stream = self._begin()
        return self._stream.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stream.__exit__(kind, error, tb)
        if isinstance(error, httpx.HTTPError):
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.HTTPError) -> ClusterError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ClusterError(f"no farm answers at {self._url}; start one with `farm up`, or set FARM_URL")
        if isinstance(error, httpx.TimeoutException):
            return ClusterError(f"the farm at {self._url} did not answer in time; try again, or look into its logs")
        return ClusterError(f"the connection to the farm at {self._url} broke: {error or type(error).__name__}")

    def _error(self, response: httpx.Response) -> FarmError:
        kind, message = error_of(response)
        if kind:
            return _ERRORS.get(kind, FarmError)(message)
        if response.status_code in (401, 403):
            return AuthError(f"{self._url} refused the token; set FARM_TOKEN, or see `farm token`")
        return ClusterError(f"{self._url} answered {response.status_code}, not as a farm does; check the URL")
