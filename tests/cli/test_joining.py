"""`farm leave --head` of a machine whose Ray others started, and what containers ask to know that all is well."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farm.cli.app import app
from farm.joining import health
from farm.joining.agent import JOINED, LEAVING, NodeState

TOKEN = "a-token-of-the-cluster-1234"


class Door(BaseHTTPRequestHandler):
    """A head that has two tasks to take away, one at a time."""

    left = [2, 1, 0]
    asked: list[tuple[str, str | None, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Door.asked.append((self.path, self.headers["Authorization"], body))
        answer = b'{"running": %d}' % Door.left[len(Door.asked) - 1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def head() -> Iterator[str]:
    Door.asked = []
    server = HTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_work_is_taken_away_before_a_pod_ends(head: str, farm_home: Path) -> None:
    done = CliRunner().invoke(app, ["leave", "--head", head], env={"FARM_NODE_TOKEN": TOKEN})
    assert done.exit_code == 0, done.output
    assert [line for line in done.output.splitlines() if "finish" in line] == ["2 tasks to finish", "1 tasks to finish"]
    path, token, body = Door.asked[0]
    assert path == f"/api/v1/join/nodes/{socket.gethostname()}/leave" and token == f"Bearer {TOKEN}"
    assert len(Door.asked) == 3 and b"false" in body


@pytest.mark.parametrize(("state", "code"), [(JOINED, 0), (LEAVING, 0), ("away", 1), (None, 1)])
def test_a_worker_is_well_while_it_is_in_the_farm(
    state: str | None, code: int, farm_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = NodeState(state, "", 1, "head", "host") if state else None
    monkeypatch.setattr(health, "running", lambda settings: known)
    assert health.main() == code
