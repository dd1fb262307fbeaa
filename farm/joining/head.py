"""The head, as a machine that joins sees it: its API, asked with the node's token."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.errors import AuthError, ClusterError, FarmError, InputError

from .card import Card

PORT = 8000
SECONDS = 10.0


class HeadGoneError(ClusterError):
    """The head does not answer; it may come back."""


class Head:
    """Calls to the head at ``address`` (HOST or HOST:PORT).

    Raises:
        InputError: that is no address.
    """

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address if "//" in address else f"http://{address}")
        try:
            port = parts.port or (443 if parts.scheme == "https" else PORT)
        except ValueError:
            port = 0
        if not parts.hostname or not port or parts.path not in ("", "/") or parts.scheme not in ("http", "https"):
            raise InputError(
                f"{address!r} is no address of a head; expected HOST or HOST:PORT, such as 192.168.1.10:{PORT}."
            )
        self.host = parts.hostname
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{parts.scheme}://{name}:{port}"
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/join",
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
            trust_env=False,
        )

    def card(self, seconds: float = SECONDS) -> Card:
        """What it tells.

        Raises:
            AuthError: the token is not this farm's for nodes.
            HeadGoneError: it does not answer.
            ClusterError: something else answers there.
        """
        try:
            return Card.from_dict(self._call("GET", "card", timeout=seconds))
        except (KeyError, TypeError, ValueError) as error:
            raise ClusterError(f"{self.url} is not the API of a farm of this version ({error!r}).") from error

    def probe(self, ports: tuple[int, ...]) -> dict[int, str]:
        """Ports of this machine that the head can't reach, with its reason."""
        answer = self._call("POST", "probe", json={"ports": list(ports)}, timeout=30)
        return {int(port): str(reason) for port, reason in answer["unreachable"].items()}

    def arrive(self, host: str) -> None:
        """Let the node ``host`` work, if it was drained because it left."""
        self._call("POST", f"nodes/{host}/arrive")

    def sees(self, host: str) -> bool:
        """Whether the farm has the node ``host`` now."""
        return bool(self._call("GET", f"nodes/{host}", timeout=4)["up"])

    def leave(self, host: str, now: bool) -> int:
        """Have the node ``host`` finish what it is at, or hand it back ``now``; how many replicas are not done."""
        return int(self._call("POST", f"nodes/{host}/leave", json={"now": now})["running"])

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, f"/{path}", **options)
        except httpx.HTTPError as error:
            raise HeadGoneError(f"the head at {self.url} does not answer: {error or type(error).__name__}.") from error
        if answer.status_code in (401, 403):
            raise AuthError(
                f"the token is not the one for nodes of the farm at {self.url}; `farm token --node` prints it there."
            )
        if answer.status_code >= 500:
            raise HeadGoneError(f"the head at {self.url} is in trouble: {_message(answer)}")
        if answer.is_error:
            raise FarmError(f"the head at {self.url} refused: {_message(answer)}")
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ClusterError(f"{self.url} is not the API of a farm.")
        return body


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
