"""A small Hugging Face Hub on loopback: repositories from folders, large files as LFS behind a redirect, ranges.

It can cut connections in the middle of a file and give wrong bytes, and keeps a log of what it was asked.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """``cuts``: file name -> at which bytes to hang up, one per request; ``wrong``: file name -> so many times damaged.

    ``served``: (file name, first byte) of every download of a large file. ``asked``: paths of all requests.
    """

    root: Path
    url: str = ""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    gated: str = ""
    served: list[tuple[str, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def storage(self) -> str:
        """Where large files are, under another name, as the real hub keeps them on other hosts."""
        return self.url.replace("127.0.0.1", "localhost")

    def environment(self, cache: Path) -> dict[str, str]:
        """What a process needs to use this hub and that cache."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}


@contextmanager
def hub(root: Path) -> Iterator[Hub]:
    """Serve the repositories ``root/owner/name``."""
    state = Hub(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(path)
        if path.startswith("api/models/"):
            self._api(path.removeprefix("api/models/").split("/"))
        elif path.startswith("cdn/"):
            self._content(self.hub.root / path.removeprefix("cdn/"), large=True)
        else:
            repository, _, rest = path.partition("/resolve/")
            file = self.hub.root / repository / rest.partition("/")[2]
            if not file.is_file():
                self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            elif file.suffix == ".safetensors":
                digest = _digests(file, file.stat().st_mtime_ns)[0]
                self._send(
                    302,
                    {
                        "Location": f"{self.hub.storage}/cdn/{file.relative_to(self.hub.root)}",
                        "X-Linked-Etag": f'"{digest}"',
                        "X-Linked-Size": str(file.stat().st_size),
                        "X-Repo-Commit": COMMIT,
                        "Content-Length": "0",
                    },
                )
            else:
                self._content(file, large=False)

    def _api(self, words: list[str]) -> None:
        folder = self.hub.root / words[0] / words[1]
        if "/".join(words[:2]) == self.hub.gated:
            self._json({"error": "Access is restricted"}, 403, {"X-Error-Code": "GatedRepo"})
        elif not folder.is_dir():
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif "tree" in words:
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            self._json([_entry(file, folder) for file in files])
        else:
            self._json({"id": "/".join(words[:2]), "sha": COMMIT, "siblings": []})

    def _content(self, file: Path, large: bool) -> None:
        data = file.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        etag = _digests(file, file.stat().st_mtime_ns)[1]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(data) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(206 if start else 200, headers)
        if self.command == "HEAD":
            return
        if large:
            self.hub.served.append((file.name, start))
        if self.hub.wrong.get(file.name):
            self.hub.wrong[file.name] -= 1
            data = data[:-1] + bytes([data[-1] ^ 1])
        cuts = self.hub.cuts.get(file.name)
        end = cuts.pop(0) if cuts else len(data)
        self.wfile.write(data[start:end])
        if end < len(data):
            self.close_connection = True

    def _json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._send(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _entry(file: Path, folder: Path) -> dict[str, object]:
    sha256, git = _digests(file, file.stat().st_mtime_ns)
    size = file.stat().st_size
    entry: dict[str, object] = {"type": "file", "path": file.relative_to(folder).as_posix(), "size": size, "oid": git}
    if file.suffix == ".safetensors":
        entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 134}
    return entry


@cache
def _digests(file: Path, changed: int) -> tuple[str, str]:
    """SHA-256 of a file, and git's name for it."""
    data = file.read_bytes()
    return hashlib.sha256(data).hexdigest(), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
