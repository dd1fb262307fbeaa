"""Artifact stores of each kind, as two nodes of a farm see them: real servers on loopback, started once."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from farm.settings import Settings
from farm.store.artifacts import ArtifactStore, open_store
from tests.support.api import LiveFarm, live_farm


class Place:
    """Where artifacts are kept; ``store(node)`` is a node's way there, with a cache of its own.

    ``folder``: where the files are, if that is a folder of this machine.
    """

    def __init__(self, url: str, nodes: Path, token: str = "", folder: Path | None = None) -> None:
        self.url, self._nodes, self._token, self.folder = url, nodes, token, folder

    def settings(self, node: str = "a", cache_gb: float = 1.0) -> Settings:
        home = Settings.for_home(self._nodes / node)
        return replace(home, artifacts_url=self.url, node_token=self._token, cache_gb=cache_gb)

    def store(self, node: str = "a", cache_gb: float = 1.0) -> ArtifactStore:
        return open_store(self.settings(node, cache_gb))

    def cached(self, node: str = "a") -> list[Path]:
        """Complete files in a node's cache."""
        return sorted(self.settings(node).cache_dir.glob("??/*"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3_endpoint(s3_server: str) -> Iterator[str]:
    """The same, with an environment in which clients find it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "farm")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "farm")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", s3_server)
        yield s3_server


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFarm]:
    """A head with its API."""
    with live_farm(tmp_path_factory.mktemp("head")) as farm:
        yield farm


@pytest.fixture
def head_place(head: LiveFarm, tmp_path: Path) -> Place:
    """The head's store over HTTP, emptied."""
    head.artifacts.remove_prefix("t")
    return place_of(head, tmp_path / "nodes")


def place_of(head: LiveFarm, nodes: Path) -> Place:
    from farm.tokens import ensure_token

    return Place(head.url, nodes, ensure_token(head.settings.node_token_path), head.settings.artifacts_dir)


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """URL of an empty folder in S3."""
    import s3fs

    name = f"farm-{uuid4().hex[:12]}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}/artifacts"


@pytest.fixture(params=["folder", "s3", "head"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each kind of store, empty."""
    if request.param == "head":
        found: Place = request.getfixturevalue("head_place")
        return found
    if request.param == "s3":
        return Place(request.getfixturevalue("bucket"), tmp_path / "nodes")
    folder = tmp_path / "with space" / "artifacts"
    return Place(folder.as_uri(), tmp_path / "nodes", folder=folder)


class Relay:
    """A TCP relay that cuts connections: the ``cuts`` next ones after so many bytes each, in one direction.

    ``up``: of those that the client sends, else of those that it gets.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts: list[tuple[bool, int]] = []
        self.connections = 0
        self.passed = {True: 0, False: 0}
        self.garble = 0
        """Of so many further blocks that the client gets or sends, a byte is changed."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self._target)
            for up, source, sink in ((True, client, server), (False, server, client)):
                threading.Thread(target=self._pass, args=(up, source, sink), daemon=True).start()

    def _pass(self, up: bool, source: socket.socket, sink: socket.socket) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                if self.garble and len(data) > 2000:
                    self.garble -= 1
                    data = data[:-1] + bytes([data[-1] ^ 1])
                cut = bool(self.cuts) and self.cuts[0][0] is up and passed + len(data) >= self.cuts[0][1]
                if cut:
                    data = data[: self.cuts.pop(0)[1] - passed]
                passed += len(data)
                self.passed[up] += len(data)
                sink.sendall(data)
                if cut:
                    break
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        except OSError:
            pass
        for end in (source, sink):
            with_reset(end)


def with_reset(connection: socket.socket) -> None:
    """Hang up at once, whatever is on its way."""
    import struct

    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


@contextmanager
def relay_to(url: str) -> Iterator[Relay]:
    """A relay in front of the server at ``url``."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    relay = Relay((parts.hostname or "", parts.port or 80))
    try:
        yield relay
    finally:
        relay.close()


def files(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def noise(size: int) -> bytes:
    """Bytes that nobody has seen before."""
    return os.urandom(size)
