"""Artifacts of the head over HTTP, for nodes that share no folder with it. ``farm.api.store_door`` is the other side.

Files go and come in streams that are taken up where they were cut, and are checked by SHA-256 at both ends.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote
from uuid import uuid4

import httpx

from farm.answers import error_of
from farm.errors import DamagedArtifactError, StorageError

from .cache import Incoming
from .cached import Transport

PATIENCE_SECONDS = 60.0
"""For how long a head that does not answer is asked again, since it last did something; it may be starting anew."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
PIECE = 32 << 20
"""Bytes of one request at most: larger files go in several."""
BLOCK = 1 << 18
TRIES = 3
"""How often a file is sent or fetched that arrives damaged."""
IDLE_SECONDS = 2.0
"""How long an idle connection is kept: servers hang up after 5 s, perhaps just then."""
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a head that is busy, or starting."""
OFFSET, UPLOAD, SHA256 = "upload-offset", "x-upload", "x-sha256"
"""Headers: how far an upload is, which it is, and the hash of the whole file."""


class HeadTransport(Transport):
    """See the module. Thread-safe.

    Args:
        url: of the head's API.
        token: the farm's node credential.
        patience: seconds; see ``PATIENCE_SECONDS``.
    """

    def __init__(self, url: str, token: str, patience: float = PATIENCE_SECONDS) -> None:
        self._url, self._patience = url.rstrip("/"), patience
        host = httpx.URL(self._url).host
        self._http = httpx.Client(
            headers=[(b"Authorization", b"Bearer " + token.encode()), (b"Accept-Encoding", b"identity")],
            timeout=httpx.Timeout(30.0, connect=5.0),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),  # never through a proxy
        )

    def upload(
        self,
        key: str,
        file: Path,
        size: int,
        sha256: str,
        name: str = "",
        at: Callable[[int], None] = lambda sent: None,
    ) -> None:
        """As every transport's.

        Args:
            name: of the upload, 32 hexadecimal digits: one of that name that was cut is gone on with, whoever began it.
                Default: drawn, so that only this call goes on.
            at: told how many bytes are sent; what it raises ends the upload, and what has arrived stays.
        """
        with file.open("rb") as source:
            for _ in range(TRIES):
                if self._send(key, source, size, sha256, name, at):
                    return
        raise StorageError(f"can't write {key}: it reached {self._url} damaged {TRIES} times.")

    def download(self, key: str, incoming: Incoming, sha256: str | None) -> None:
        for _ in range(TRIES):
            expected = self._fetch(key, incoming)
            if incoming.finish() == expected:
                return
            incoming.start_again()
        raise StorageError(f"can't read {key}: it came from {self._url} damaged {TRIES} times.")

    def read_start(self, key: str, size: int) -> bytes:
        answer = self._ask("GET", key, f"read {key}", headers={"Range": f"bytes=0-{size - 1}"})
        return b"" if answer.status_code == 416 else answer.content[:size]  # 416: it is empty

    def known_hash(self, key: str) -> str | None:
        return _etag(self._ask("HEAD", key, f"read {key}"))

    def publish(self, private_key: str, key: str) -> None:
        self._ask("POST", key, f"publish {key}", params={"publish": private_key})

    def copy(self, source_key: str, key: str) -> None:
        self._ask("POST", key, f"copy {source_key}", params={"copy": source_key})

    def exists(self, key: str) -> bool:
        try:
            self._ask("HEAD", key, f"look for {key}")
        except FileNotFoundError:
            return False
        return True

    def remove(self, prefix: str) -> None:
        self._ask("DELETE", prefix, f"remove {prefix}")

    def _send(self, key: str, source: IO[bytes], size: int, sha256: str, name: str, at: Callable[[int], None]) -> bool:
        """Whether the file is there; False when it arrived damaged."""
        doing, patience, offset, sure = f"write {key}", self._patient(), 0, not name
        marks = {UPLOAD: name or uuid4().hex, SHA256: sha256}
        while True:
            length = min(PIECE, size - offset) if sure else 0
            extent = f"{offset}-{offset + length - 1}" if length else "*"
            headers = {**marks, "Content-Range": f"bytes {extent}/{size}", "Content-Length": str(length)}
            try:
                body = _blocks(source, offset, length, at)
                answer = self._http.put(self._at(key), content=body, headers=headers)
            except httpx.TransportError as error:
                patience.wait(doing, _said(error))
                sure = False
                continue
            if error_of(answer)[0] == DamagedArtifactError.__name__:
                return False
            if answer.status_code in (202, 409) and OFFSET in answer.headers:
                before, offset, sure = offset, int(answer.headers[OFFSET]), True
                if offset > before:
                    patience = self._patient()
                elif length:
                    patience.wait(doing, "the head takes no more of it")
                continue
            if not self._settled(answer, doing, patience):
                sure = False
                continue
            return True

    def _fetch(self, key: str, incoming: Incoming) -> str | None:
        """Write the whole file, in as many pieces as it takes; gives the hash that the head has for it."""
        doing, patience, etag = f"read {key}", self._patient(), None
        while True:
            going_on = etag is not None and incoming.size > 0
            headers = {"Range": f"bytes={incoming.size}-", "If-Match": f'"{etag}"'} if going_on else None
            before = incoming.size
            try:
                with self._http.stream("GET", self._at(key), headers=headers) as answer:
                    if answer.status_code in (412, 416) or (answer.status_code == 200 and incoming.size):
                        incoming.start_again()  # it is another file by now
                        etag = None
                        if answer.status_code != 200:
                            patience.wait(doing, "the file changes while it is read")
                            continue
                    if answer.status_code not in (200, 206):
                        answer.read()
                        self._settled(answer, doing, patience)
                        continue
                    etag = _etag(answer)
                    for block in answer.iter_raw():
                        incoming.write(block)
                return etag
            except httpx.TransportError as error:
                if incoming.size > before:
                    patience = self._patient()
                patience.wait(doing, _said(error))

    def _ask(self, method: str, key: str, doing: str, **more: object) -> httpx.Response:
        patience = self._patient()
        while True:
            try:
                answer = self._http.request(method, self._at(key), **more)  # type: ignore[arg-type]
            except httpx.TransportError as error:
                patience.wait(doing, _said(error))
                continue
            if answer.status_code == 416 or self._settled(answer, doing, patience):
                return answer

    def _settled(self, answer: httpx.Response, doing: str, patience: "_Patience") -> bool:
        """Whether it worked; waits and gives False when it may work a little later."""
        code = answer.status_code
        if code < 300:
            return True
        if code in PASSING:
            patience.wait(doing, error_of(answer)[1])
            return False
        if code == 404:
            raise FileNotFoundError(doing)
        if code == 401:
            raise StorageError(
                f"can't {doing}: the head at {self._url} does not know this node's credential; it is that of another "
                "farm, or an old one. Put what `farm token --node` prints on the head into FARM_HOME/node-token here."
            )
        raise StorageError(f"can't {doing} in the artifact store of the head at {self._url}: {error_of(answer)[1]}")

    def _patient(self) -> "_Patience":
        return _Patience(self._url, self._patience)

    def _at(self, key: str) -> str:
        return f"{self._url}/store/{quote(key)}"


class _Patience:
    """Waits longer from one time to the next, and not for ever."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._until, self._pause = time.monotonic() + seconds, FIRST_PAUSE

    def wait(self, doing: str, why: str) -> None:
        """Raises StorageError when there was enough of it."""
        if time.monotonic() + self._pause > self._until:
            raise StorageError(f"can't {doing}: the head at {self._url} was asked for {self._seconds:g} s: {why}")
        time.sleep(self._pause)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


def _blocks(source: IO[bytes], offset: int, length: int, at: Callable[[int], None]) -> Iterator[bytes]:
    source.seek(offset)
    end = offset + length
    while offset < end and (block := source.read(min(BLOCK, end - offset))):
        at(offset)
        yield block
        offset += len(block)


def _etag(answer: httpx.Response) -> str | None:
    return answer.headers.get("etag", "").strip('"') or None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")
