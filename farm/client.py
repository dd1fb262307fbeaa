"""The typed HTTP client: one method per route, raising the same errors that the farm raised."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from farm import errors
from farm.errors import AuthError, ClusterError, FarmError, InputError, StorageError
from farm.settings import DEFAULT_URL, MAX_UPLOAD
from model.footage.media import Media

FORM_BYTES = 200_000
"""Kept for the fields and for what stands between the files."""
RECONNECT_SECONDS = 1.0
DECODE_SECONDS = 150.0
"""How long the farm may take to answer when it looks at files."""
IDLE_SECONDS = 2.0
"""How long an idle connection is kept for the next request; servers hang up after 5 s, perhaps just then."""

Json = dict[str, Any]

_ERRORS = {cls.__name__: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, FarmError)}


def _form(media: Media | bytes, request: Mapping[str, Any]) -> dict[str, Any]:
    """Files and fields as httpx sends them; InputError when they are more than a farm takes."""
    size = sum(len(data) for _, data in _parts(Media.of(media)))
    if size > MAX_UPLOAD - FORM_BYTES:
        raise InputError(
            f"the files have {size / 1e6:.0f} MB; a farm takes {MAX_UPLOAD // 10**6} MB. Make them smaller."
        )
    files = [(part, (part, data, "application/octet-stream")) for part, data in _parts(Media.of(media))]
    slow = httpx.Timeout(DECODE_SECONDS, connect=5.0)
    return {"files": files, "data": {"request": json.dumps(dict(request))}, "timeout": slow}


def _parts(media: Media) -> list[tuple[str, bytes]]:
    single = [("image", media.image), ("end_image", media.end_image), ("video", media.video)]
    parts = [(name, data) for name, data in single if data is not None]
    return parts + [("keyframes", data) for data in media.keyframes]


class FarmClient:
    """Talks to one farm. Thread-safe; usable as a context manager.

    Answers are the API's JSON as dicts; ``/docs`` of a running farm describes them. Every method raises ClusterError
    when no farm answers at ``base_url``, AuthError when the token is wrong, and otherwise the FarmError that the farm
    answered with.
    """

    def __init__(self, base_url: str = DEFAULT_URL, token: str = "", timeout: float = 30.0) -> None:
        """``timeout``: seconds that an answer may take to begin or to pause; event streams have their own."""
        self.base_url = base_url.rstrip("/")
        try:
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, UnicodeError):
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(f"{base_url!r} is no URL of a farm; expected one such as {DEFAULT_URL}")
        self._http = httpx.Client(
            base_url=f"{self.base_url}/api/v1",
            headers=[(b"Authorization", b"Bearer " + token.encode())] if token else None,
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

    # Jobs

    def submit(self, media: Media | bytes, request: Mapping[str, Any], idempotency_key: str | None = None) -> Json:
        """Queue a job from its files, or the start image's alone, and the fields of a RenderRequest; gives the job.

        The seconds of keyframes are the field ``keyframes``, such as ``[2.4, 6]``. Sending the same ``idempotency_key``
        again returns the job made the first time.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/jobs", headers=headers, **_form(media, request))

    def take(
        self,
        job_id: str,
        *,
        sections: Sequence[int] | None = None,
        from_section: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Json:
        """Queue another go at some sections of a job and what depends on them, or at all from one on; gives the job.

        ``changes`` are request fields that differ. All other sections are kept as they are.
        """
        body = {"sections": sections, "from_section": from_section, "changes": changes or {}}
        return self._json("POST", f"/jobs/{job_id}/takes", json={k: v for k, v in body.items() if v is not None})

    def check(self, media: Media | bytes, request: Mapping[str, Any]) -> Json:
        """What ``submit`` would queue, ``{"request", "plan", "notes"}``, without queueing it; raises as it does."""
        return self._json("POST", "/plan", **_form(media, request))

    def jobs(
        self,
        *,
        state: str | None = None,
        owner: str | None = None,
        text: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Json:
        """``{"jobs": [...], "total": n}``, newest first; ``text`` searches prompts and names."""
        params = {"state": state, "owner": owner, "text": text, "limit": limit, "offset": offset}
        return self._json("GET", "/jobs", params={k: v for k, v in params.items() if v is not None})

    def job(self, job_id: str) -> Json:
        """``{"job", "tasks", "attempts", "artifacts", "plan"}`` of one job."""
        return self._json("GET", f"/jobs/{job_id}")

    def change(self, job_id: str, **values: Any) -> Json:
        """Change ``name``, ``priority``, ``deadline`` (ISO 8601 with zone, or None), ``labels``, ``mixing``; gives the
        job."""
        return self._json("PATCH", f"/jobs/{job_id}", json=values)

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"/jobs/{job_id}/cancel")

    def pause(self, job_id: str) -> Json:
        return self._json("POST", f"/jobs/{job_id}/pause")

    def resume(self, job_id: str) -> Json:
        return self._json("POST", f"/jobs/{job_id}/resume")

    def retry(self, job_id: str) -> Json:
        """Give the failed tasks of a failed or cancelled job a new chance; finished sections are kept."""
        return self._json("POST", f"/jobs/{job_id}/retry")

    def delete(self, job_id: str) -> None:
        """Remove a job that is not running, with its files."""
        self._send("DELETE", f"/jobs/{job_id}")

    def events(self, job_id: str, after: int = 0, reconnect: bool = True) -> Iterator[Json]:
        """Follow a job: yields ``{"event", "id", "data"}`` until the job has ended.

        History lines come first, those with an id above ``after``; ``progress`` messages (no id) carry the job as it is
        now; the last one is ``end``. A lost connection is taken up again where it broke off, for a minute at most.
        """
        last, silent_since = after, time.monotonic()
        while True:
            try:
                for message in self._stream(job_id, last):
                    silent_since = time.monotonic()
                    last = message["id"] or last
                    yield message
                    if message["event"] == "end":
                        return
            except ClusterError:
                if not reconnect or time.monotonic() - silent_since > 60:
                    raise
            time.sleep(RECONNECT_SECONDS)

    def artifact(self, job_id: str, name: str = "video") -> bytes:
        """The bytes of an artifact, such as ``video``, ``image`` or ``contact_sheet``."""
        return self._send("GET", f"/jobs/{job_id}/artifacts/{name}").content

    def preview(self, job_id: str, section: int) -> bytes:
        """A JPEG of a section, as far as it is denoised; NotFoundError before it has begun."""
        return self._send("GET", f"/jobs/{job_id}/sections/{section}/preview").content

    def download(
        self, job_id: str, path: Path, name: str = "video", on_bytes: Callable[[int], None] | None = None
    ) -> Path:
        """Write an artifact to ``path``, which never exists half-written; StorageError when it can't be written."""
        aside = path.with_name(f".{path.name}.partial")
        try:
            with self._open("GET", f"/jobs/{job_id}/artifacts/{name}") as response:
                with aside.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 20):
                        file.write(chunk)
                        if on_bytes:
                            on_bytes(len(chunk))
            os.replace(aside, path)
        except OSError as error:
            raise StorageError(
                f"can't write {path}: {error.strerror or error}. Choose another path or free space."
            ) from None
        finally:
            aside.unlink(missing_ok=True)
        return path

    # What there is

    def plan(self, **params: Any) -> Json:
        """Preview: true length, sections, DAG, bucket and bounds. Parameters as in ``GET /plan``, all optional."""
        return self._json("GET", "/plan", params={k: v for k, v in params.items() if v is not None})

    def presets(self) -> Json:
        """``{"presets": [...], "broken": [...]}``."""
        return self._json("GET", "/presets")

    def orders(self) -> list[Json]:
        return self._list("/orders", "orders")

    def exporters(self) -> list[Json]:
        return self._list("/exporters", "exporters")

    def plugins(self) -> list[Json]:
        return self._list("/plugins", "plugins")

    def models(self) -> list[Json]:
        return self._list("/models", "models")

    def loras(self) -> list[Json]:
        """LoRA files that requests can name."""
        return self._list("/loras", "loras")

    def nodes(self) -> list[Json]:
        """The machines the farm knows, each with its settings and ``replicas``, and what these are at."""
        return self._list("/nodes", "nodes")

    def change_node(self, node: str, **values: Any) -> Json:
        """Change ``labels``, ``hours`` (`22-07`, or `any`) or ``max_replicas`` (or None) of a node; gives the node."""
        return self._json("PATCH", f"/nodes/{quote(node, safe='')}", json=values)

    def drain(self, node: str, *, reason: str = "", now: bool = False, by: str = "") -> Json:
        """Have a node take nothing more; ``now``: hand back what it is at, too. Gives the node."""
        body = {"reason": reason, "now": now, "by": by}
        return self._json("POST", f"/nodes/{quote(node, safe='')}/drain", json=body)

    def undrain(self, node: str) -> Json:
        """Let a drained node work."""
        return self._json("POST", f"/nodes/{quote(node, safe='')}/undrain")

    def drain_replica(self, replica: str, *, reason: str = "", now: bool = False, by: str = "") -> Json:
        """The same for one replica; gives its node."""
        body = {"reason": reason, "now": now, "by": by}
        return self._json("POST", f"/replicas/{quote(replica, safe='')}/drain", json=body)

    def undrain_replica(self, replica: str) -> Json:
        """Let a drained replica work; gives its node."""
        return self._json("POST", f"/replicas/{quote(replica, safe='')}/undrain")

    def owners(self) -> list[Json]:
        """Who shares the farm: weight, limit, share of the last day's work, jobs waiting and running."""
        return self._list("/owners", "owners")

    def change_owner(self, name: str, **values: Any) -> Json:
        """Change an owner's ``weight`` or ``limit`` (or None) of tasks at a time; gives the owner."""
        return self._json("PATCH", f"/owners/{quote(name, safe='')}", json=values)

    def disk(self) -> Json:
        """Bytes of files by use, and what would go."""
        return self._json("GET", "/disk")

    def free_disk(self) -> Json:
        """Remove the sections of finished jobs now; their videos stay."""
        return self._json("POST", "/disk/free")

    def health(self) -> Json:
        """Needs no token."""
        return self._json("GET", "/health")

    def metrics(self) -> str:
        """Prometheus text."""
        return self._send("GET", "/metrics").text

    # Transport

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

    def _stream(self, job_id: str, last: int) -> Iterator[Json]:
        headers = {"Last-Event-ID": str(last), "Accept": "text/event-stream"}
        quiet = httpx.Timeout(30.0, connect=5.0)  # heartbeats come far more often
        with self._open("GET", f"/jobs/{job_id}/events", headers=headers, timeout=quiet) as response:
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    if name:
                        fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    yield {"event": fields.get("event", "message"), "id": int(fields.get("id", 0)), "data": data}
                    fields = {}


class _Answer:
    """One request as a context manager: opens the stream, turns failures of either side into FarmErrors."""

    def __init__(self, client: FarmClient, method: str, path: str, options: dict[str, Any]) -> None:
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
        try:
            body = response.json()["error"]
            return _ERRORS.get(body["type"], FarmError)(body["message"])
        except (ValueError, KeyError, TypeError):
            if response.status_code in (401, 403):
                return AuthError(f"{self._url} refused the token; set FARM_TOKEN, or see `farm token`")
            return ClusterError(f"{self._url} answered {response.status_code}, not as a farm does; check the URL")
