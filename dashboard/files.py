"""What browsers fetch by themselves: small pictures, results, and results in one zip. Passed on from the farm's API
with the farm's token; the door stands before it."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import quote

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from typing_extensions import Buffer

from farm.client import FarmClient
from farm.errors import FarmError

from .credentials import address, token

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NEVER = {"Cache-Control": "no-store"}
"""For how long browsers keep what was answered."""
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_ZIPPED = 500
SECONDS = 30.0
ASKED = ("range", "if-none-match", "if-range")
ANSWERED = ("content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified")
SHOWN = ("video/", "image/")
"""Kinds of files that a browser may show: nothing that could act as a page."""
ZIP = "results.zip"
TROUBLES = "not in this zip.txt"


def routes() -> list[Route]:
    """For the dashboard's server."""
    return [
        Route("/pictures/{job_id}/{version}.jpg", _picture),
        Route("/results/{job_id}", _result),
        Route("/loras/{name:path}.jpg", _lora),
        Route(f"/{ZIP}", _zip),
    ]


def picture_url(job_id: str, version: str) -> str:
    """Of a job's thumbnail, which stays what it is under that address."""
    return f"/pictures/{job_id}/{version}.jpg"


def lora_url(name: str, version: str) -> str:
    """Of a LoRA's picture, which stays what it is under that address."""
    return f"/loras/{quote(name)}.jpg?v={version}"


def result_url(job_id: str) -> str:
    return f"/results/{job_id}"


def zip_url(job_ids: Sequence[str]) -> str:
    return f"/{ZIP}?ids={','.join(job_ids)}"


async def _picture(request: Request) -> Response:
    answer = await passed_on(request, "thumbnail")
    if answer.status_code == 200:
        answer.headers.update(FOREVER)
    return answer


async def _result(request: Request) -> Response:
    return await passed_on(request, "artifacts/video")


async def _lora(request: Request) -> Response:
    answer = await _asked(request, f"/loras/{quote(request.path_params['name'])}/picture")
    if answer.status_code == 200:
        answer.headers.update(FOREVER)
    return answer


async def passed_on(request: Request, what: str) -> Response:
    """What the farm answers about the job in the path, as it comes; only of kinds that a browser may show."""
    job_id = request.path_params["job_id"]
    if not ID.fullmatch(job_id):
        return _refused("There is no such job.", 404)
    return await _asked(request, f"/jobs/{job_id}/{what}")


async def _asked(request: Request, path: str) -> Response:
    """What the farm answers at that path."""
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    url = f"{address()}/api/v1{path}"
    sent = _http().build_request("GET", url, headers={**headers, "Authorization": f"Bearer {token()}"})
    try:
        found = await _http().send(sent, stream=True)
    except httpx.HTTPError as error:
        return _refused(f"The farm can't be reached: {error or type(error).__name__}", 502)
    kept = {name: found.headers[name] for name in ANSWERED if name in found.headers}
    if found.status_code >= 400 or not (found.status_code == 304 or kept.get("content-type", "").startswith(SHOWN)):
        await found.aclose()
        status = found.status_code if found.status_code >= 400 else 415
        return _refused("The farm has nothing to show.", status)
    return StreamingResponse(found.aiter_raw(), found.status_code, kept, background=BackgroundTask(found.aclose))


def _refused(text: str, status: int) -> Response:
    return PlainTextResponse(text, status, NEVER)


@cache
def _http() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=httpx.Timeout(SECONDS, connect=5.0), trust_env=False)


def _zip(request: Request) -> Response:
    ids = [job_id for job_id in request.query_params.get("ids", "").split(",") if job_id]
    if not ids or len(ids) > MOST_ZIPPED or not all(map(ID.fullmatch, ids)):
        return _refused(f"Say which jobs: ?ids= with 1 to {MOST_ZIPPED} ids, with commas between.", 422)
    headers = {"Content-Disposition": 'attachment; filename="results.zip"', **NEVER}
    return StreamingResponse(zipped(list(dict.fromkeys(ids))), media_type="application/zip", headers=headers)


class _Sink(io.RawIOBase):
    """A file that can only be written to, and that hands on what was written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(job_ids: Sequence[str]) -> Iterator[bytes]:
    """A zip of the jobs' results as it is made; a text in it says which could not be had, and why."""
    sink, troubles = _Sink(), list[str]()
    with FarmClient(address(), token()) as farm, zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for job_id in job_ids:
            try:
                for _ in _add(archive, farm, job_id):
                    yield sink.taken()
            except FarmError as error:
                troubles.append(f"{job_id}: {error}")
        if troubles:
            archive.writestr(TROUBLES, "\n".join(troubles) + "\n")
    yield sink.taken()


def _add(archive: zipfile.ZipFile, farm: FarmClient, job_id: str) -> Iterator[None]:
    files = {each["name"]: each for each in farm.job(job_id)["artifacts"]}
    name = PurePosixPath(files["video"]["filename"]).name if "video" in files else job_id
    if name in archive.namelist():  # a template of names may give two jobs the same
        name = f"{job_id[:8]}-{name}"
    pieces = farm.pieces(job_id)
    first = next(pieces, b"")
    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
        entry.write(first)
        yield
        for piece in pieces:
            entry.write(piece)
            yield
