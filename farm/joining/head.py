"""The head, as a machine that joins sees it: its API, asked with the node's token."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.answers import error_of
from farm.errors import AuthError, ClusterError, FarmError, InputError
from farm.jobs.assets import Asset, PushState, assets_of
from model.brought import BroughtFile, Piece

from .card import Card

PORT = 8000
SECONDS = 10.0
PIECES_SECONDS = 1800.0
PATIENCE_SECONDS = 60.0
"""For how long a head is asked again for the rest of a file."""


class HeadGoneError(ClusterError):
    """The head does not answer; it may come back."""


@dataclass(frozen=True)
class Orders:
    """What a node is to fetch from the head, and what to give it; ``head``: its name."""

    fetch: tuple[Asset, ...]
    give: tuple[Asset, ...]
    head: str


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
        self.token = token
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

    def orders(self, host: str) -> Orders:
        """What the node ``host`` is to fetch, and to give."""
        found = self._call("GET", f"nodes/{host}/pushes", timeout=4)
        fetch, give = (
            sorted(assets_of((one["kind"], one["name"], one["digest"]) for one in found[name]))
            for name in ("pushes", "gives")
        )
        return Orders(tuple(fetch), tuple(give), str(found["head"]))

    def offer(self, host: str, asset: Asset, pieces: Sequence[Piece]) -> frozenset[str]:
        """Hashes of the files that the head ``host`` is to be sent of what is offered.

        Raises:
            FarmError: it can't take it, such as for want of room; the push says so.
        """
        said = {**asset._asdict(), "pieces": [piece.to_json() for piece in pieces]}
        return frozenset(self._call("POST", f"nodes/{host}/offered", json=said, timeout=PIECES_SECONDS)["missing"])

    def given(self, host: str, asset: Asset, pieces: Sequence[Piece]) -> None:
        """Have the head ``host`` put what was sent in its places, which may take it a while."""
        said = {**asset._asdict(), "pieces": [piece.to_json() for piece in pieces]}
        self._call("POST", f"nodes/{host}/given", json=said, timeout=PIECES_SECONDS)

    def told(self, host: str, asset: Asset, state: PushState, done: int = 0, total: int = 0, message: str = "") -> bool:
        """Tell how far the node is; whether it shall go on."""
        said = {**asset._asdict(), "state": state, "done": done, "total": total, "message": message[:2000]}
        return bool(self._call("POST", f"nodes/{host}/pushes", json=said)["wanted"])

    def pieces(self, asset: Asset) -> list[Piece]:
        """What an asset of the head consists of; it may read large files for that, the first time."""
        found = self._call("GET", "pieces", params=asset._asdict(), timeout=PIECES_SECONDS)["pieces"]
        return [Piece.of_json(values) for values in found]

    def followed(self) -> list[BroughtFile]:
        """The files of the head's own plug-ins and presets, by their places in its home."""
        return [BroughtFile(**values) for values in self._call("GET", "followed")["files"]]

    def file(self, sha256: str, first: int, size: int) -> Iterator[bytes]:
        """The bytes of a file of one, from ``first`` on; goes on by itself after a cut.

        Raises:
            HeadGoneError: the head does not answer for a minute.
        """
        heard = time.monotonic()
        while first < size:
            try:
                with self._client.stream("GET", f"/files/{sha256}", headers={"Range": f"bytes={first}-"}) as answer:
                    if answer.status_code not in (200, 206):
                        answer.read()
                        self._checked(answer)
                    if answer.status_code == 200 and first:
                        raise ClusterError(f"{self.url} gives whole files only; a proxy between may drop ranges.")
                    for block in answer.iter_raw():
                        yield block
                        first, heard = first + len(block), time.monotonic()
            except (httpx.HTTPError, HeadGoneError) as error:
                if time.monotonic() - heard > PATIENCE_SECONDS:
                    raise HeadGoneError(f"the head at {self.url} gives no more of a file: {error}") from error
                time.sleep(1.0)

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, f"/{path}", **options)
        except httpx.HTTPError as error:
            raise HeadGoneError(f"the head at {self.url} does not answer: {error or type(error).__name__}.") from error
        self._checked(answer)
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ClusterError(f"{self.url} is not the API of a farm.")
        return body

    def _checked(self, answer: httpx.Response) -> None:
        """Raise what an answer says that is no success."""
        if answer.status_code in (401, 403):
            raise AuthError(
                f"the token is not the one for nodes of the farm at {self.url}; `farm token --node` prints it there."
            )
        if answer.status_code >= 500:
            raise HeadGoneError(f"the head at {self.url} is in trouble: {error_of(answer)[1]}")
        if answer.is_error:
            raise FarmError(f"the head at {self.url} refused: {error_of(answer)[1]}")
