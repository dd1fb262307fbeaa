"""A real API server (uvicorn) over a real store, for tests of API, client and command line."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn
from PIL import Image

from farm.api.app import create_app
from farm.client import FarmClient
from farm.connections import GuardedProtocol
from farm.settings import Settings


class LiveFarm:
    """A served farm without replicas: jobs stay pending until a test moves them through ``store``."""

    def __init__(self, home: Path, database_url: str | None = None, artifacts_url: str | None = None) -> None:
        self.settings = Settings.for_home(home)
        if artifacts_url:
            self.settings = replace(self.settings, artifacts_url=artifacts_url)
        if database_url:
            self.settings = replace(self.settings, database_url=database_url)
        self.nudges = 0
        self.app = create_app(self.settings, self._nudge)
        self.url = ""

    def _nudge(self) -> None:
        self.nudges += 1

    @property
    def store(self):
        return self.app.state.farm.store

    @property
    def artifacts(self):
        return self.app.state.farm.artifacts

    @property
    def token(self) -> str:
        return self.settings.token_path.read_text().strip()

    def client(self, token: str | None = None) -> FarmClient:
        return FarmClient(self.url, self.token if token is None else token)


@contextmanager
def live_farm(
    home: Path, port: int = 0, database_url: str | None = None, artifacts_url: str | None = None
) -> Iterator[LiveFarm]:
    """Serve the farm of ``home`` on 127.0.0.1, by default on a free port, with SQLite and artifacts in the home."""
    farm = LiveFarm(home, database_url, artifacts_url)
    config = uvicorn.Config(farm.app, port=port, log_level="error", timeout_graceful_shutdown=1, http=GuardedProtocol)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the test server did not start")
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    farm.url = f"http://127.0.0.1:{port}"
    try:
        yield farm
    finally:
        server.should_exit = True
        thread.join(10)


def picture(width: int = 64, height: int = 64, kind: str = "PNG") -> bytes:
    """A picture file with a gradient."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()
