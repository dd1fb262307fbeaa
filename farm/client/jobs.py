"""Queueing jobs, steering and following them."""

import base64
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from farm.errors import ClusterError, InputError
from farm.settings import MAX_UPLOAD
from model.footage.media import Media

from .transport import Json, Transport

FORM_BYTES = 200_000
"""Kept for the fields and for what stands between the files."""
RECONNECT_SECONDS = 1.0
DECODE_SECONDS = 150.0
"""How long the farm may take to answer when it looks at files."""
_SLOW = httpx.Timeout(DECODE_SECONDS, connect=5.0)


class Jobs(Transport):
    """See the module."""

    def submit(self, media: Media | bytes, request: Mapping[str, Any], idempotency_key: str | None = None) -> Json:
        """Queue a job from its files, or the start image's alone, and the fields of a Submission; gives the job.

        The seconds of keyframes are the field ``keyframes``, such as ``[2.4, 6]``. Sending the same ``idempotency_key``
        again returns the job made the first time.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/jobs", headers=headers, **_form(media, request))

    def check(self, media: Media | bytes, request: Mapping[str, Any]) -> Json:
        """What ``submit`` would queue, ``{"request", "plan", "notes", "outlook"}``, without queueing it; raises as it
        does."""
        return self._json("POST", "/plan", **_form(media, request))

    def film(
        self,
        storyboard: Mapping[str, Any],
        pictures: Mapping[str, bytes],
        audio: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """Queue a film from what stands in a storyboard and the pictures that it names; gives the job."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", "/films", headers=headers, **_film_form(storyboard, pictures, audio))

    def storyboard(self, job_id: str) -> Json:
        """``{"storyboard", "files"}`` of a film: what it was made of, and the artifacts that hold what it names."""
        return self._json("GET", f"/jobs/{job_id}/storyboard")

    def check_film(
        self, storyboard: Mapping[str, Any], pictures: Mapping[str, bytes], audio: bytes | None = None
    ) -> Json:
        """What ``film`` would queue, ``{"requests", "plan", "notes"}``, without queueing it; raises as it does."""
        return self._json("POST", "/plan/film", **_film_form(storyboard, pictures, audio))

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

    def promote(self, job_id: str) -> Json:
        """Queue a draft in full; gives the job."""
        return self._json("POST", f"/jobs/{job_id}/promote")

    def export(self, job_id: str, exports: Sequence[str | Mapping[str, Any]], audio: bytes | None = None) -> Json:
        """Queue other exports of a rendered job, such as ``["webm:crf=30"]``; gives the job that writes them.

        ``audio``: a sound track in place of the job's, which an export's fields ``audio_...`` cut and place.
        """
        body = {"exports": list(exports), "audio": audio and base64.b64encode(audio).decode()}
        return self._json("POST", f"/jobs/{job_id}/exports", json=body, timeout=_SLOW)

    def jobs(
        self,
        *,
        state: str | Sequence[str] | None = None,
        owner: str | None = None,
        text: str | None = None,
        limit: int = 50,
        offset: int = 0,
        **more: Any,
    ) -> Json:
        """``{"jobs": [...], "total": n}``, newest first; ``text`` searches prompts and names.

        ``more``: ``begins`` (of the id), ``family``, ``preset``, ``batch``, ``since``, ``until`` (ISO 8601 with zone),
        ``sort`` (created, finished, place, priority, name, owner, state), ``ascending``.
        """
        params = {"state": state, "owner": owner, "text": text, "limit": limit, "offset": offset, **more}
        return self._json("GET", "/jobs", params={k: v for k, v in params.items() if v is not None})

    def rows(self, **asked: Any) -> Json:
        """``{"rows": [...], "total": n, "states": {...}}``, asked for as with ``jobs``, without their requests."""
        found, _ = self.rows_since("", **asked)
        assert found is not None
        return found

    def rows_since(self, etag: str, **asked: Any) -> tuple[Json | None, str]:
        """As ``rows``, and its ETag; None while it is still what came with ``etag``."""
        params = {k: v for k, v in asked.items() if v is not None}
        headers = {"If-None-Match": etag} if etag else {}
        response = self._send("GET", "/jobs/rows", params=params, headers=headers)
        return (None if response.status_code == 304 else response.json()), response.headers.get("ETag", "")

    def states(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        return dict(self._json("GET", "/jobs/states")["states"])

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

    def act(
        self, action: str, ids: Sequence[str], *, change: Mapping[str, Any] | None = None, check: bool = False
    ) -> Json:
        """``cancel``, ``pause``, ``resume``, ``retry``, ``delete`` or ``change`` many jobs; ``check``: only say what
        would be done. Gives ``{"done": [ids], "refused": [{"id", "message"}]}``."""
        body = {"action": action, "ids": list(ids), "change": dict(change or {}), "check": check}
        return self._json("POST", "/jobs/actions", json=body)

    def move(self, job_id: str, to: str) -> Json:
        """Put a job ``first``, ``last``, or before the job of that id, among its owner's; gives the job."""
        return self._json("POST", f"/jobs/{job_id}/move", json={"to": to})

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


def _form(media: Media | bytes, request: Mapping[str, Any]) -> dict[str, Any]:
    """Files and fields as httpx sends them; InputError when they are more than a farm takes."""
    return _with_files({"request": request}, [(part, part, data) for part, data in _parts(Media.of(media))])


def _film_form(storyboard: Mapping[str, Any], pictures: Mapping[str, bytes], audio: bytes | None) -> dict[str, Any]:
    parts = [("pictures", name, data) for name, data in pictures.items()]
    return _with_files({"storyboard": storyboard}, parts + ([("audio", "audio", audio)] if audio else []))


def _with_files(fields: Mapping[str, Mapping[str, Any]], files: Sequence[tuple[str, str, bytes]]) -> dict[str, Any]:
    """``files``: the part of the form, the name and the content of each."""
    size = sum(len(data) for _, _, data in files)
    if size > MAX_UPLOAD - FORM_BYTES:
        raise InputError(
            f"the files have {size / 1e6:.0f} MB; a farm takes {MAX_UPLOAD // 10**6} MB. Make them smaller."
        )
    parts = [(part, (name, data, "application/octet-stream")) for part, name, data in files]
    data = {name: json.dumps(dict(values)) for name, values in fields.items()}
    return {"files": parts, "data": data, "timeout": _SLOW}


def _parts(media: Media) -> list[tuple[str, bytes]]:
    single = [("image", media.image), ("end_image", media.end_image), ("video", media.video), ("audio", media.audio)]
    parts = [(name, data) for name, data in single if data is not None]
    return parts + [("keyframes", data) for data in media.keyframes]
