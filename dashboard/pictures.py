"""Pictures and growing videos of jobs, which the browser asks the dashboard for by address and keeps. Behind the door.

Streamlit would send each of them anew with every change of a page.
"""

import hashlib
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard.credentials import address, token
from dashboard.files import FOREVER, ID, NEVER, passed_on
from farm.client import FarmClient
from farm.errors import FarmError, NotFoundError
from farm.jobs.names import clip_index, preview_name, thumbnail_name

PREFIX = "/farm/jobs"


def video_url(detail: Mapping[str, Any]) -> str:
    """Where the browser gets what is finished of a video, other for each state of it."""
    marks = "".join(a["sha256"] for a in detail["artifacts"] if clip_index(a["name"]) is not None)
    return f"{PREFIX}/{detail['job']['id']}/partial.mp4?v={_mark(marks)}"


def picture_url(detail: Mapping[str, Any], section: int, step: int | None, strip: bool = False) -> str:
    """Where the browser gets a section's picture; empty when there is none yet. Of a decoded section it is its middle
    frame, of a rendered one that of its preview, or all of that with ``strip``; ``step``: that it is at, if it runs."""
    files = {artifact["name"]: artifact["sha256"] for artifact in detail["artifacts"]}
    base = f"{PREFIX}/{detail['job']['id']}/sections/{section}.jpg"
    count = next((s["stop"] - s["start"] for s in detail["plan"]["section_list"] if s["index"] == section), 1)
    frames = 0 if strip else count
    if step is not None:
        return f"{base}?kind=running&frames={frames}&v={step}" if step else ""
    if thumbnail_name(section) in files and not strip:
        return f"{base}?kind=decoded&v={files[thumbnail_name(section)][:16]}"
    if preview_name(section) in files:
        return f"{base}?kind=rendered&frames={frames}&v={files[preview_name(section)][:16]}"
    return ""


def middle_of(strip: bytes, frames: int) -> bytes:
    """The middle one of pictures that stand side by side in a JPEG."""
    image = Image.open(io.BytesIO(strip))
    width = image.width // frames
    left = width * (frames // 2)
    buffer = io.BytesIO()
    image.crop((left, 0, left + width, image.height)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def routes() -> list[Route]:
    """For the dashboard's server."""
    return [
        Route(PREFIX + "/{job_id}/sections/{section:int}.jpg", _picture),
        Route(PREFIX + "/{job_id}/partial.mp4", _video),
    ]


@lru_cache(maxsize=4)
def _client(url: str, secret: str) -> FarmClient:
    return FarmClient(url, secret)


def _farm() -> FarmClient:
    """Asks for the household: whoever is behind the door may see everything."""
    return _client(address(), token())


def _picture(request: Request) -> Response:
    job, section, asked = request.path_params["job_id"], request.path_params["section"], request.query_params
    kind, frames = asked.get("kind"), asked.get("frames", "0")
    if not ID.fullmatch(job) or not frames.isdecimal() or int(frames) > 100:
        return PlainTextResponse("no such picture", 404, NEVER)
    try:
        if kind == "running":
            data = _farm().preview(job, section)
        else:
            data = _farm().artifact(job, thumbnail_name(section) if kind == "decoded" else preview_name(section))
        if int(frames):
            data = middle_of(data, int(frames))
    except NotFoundError:  # of one that runs, not there yet: no error, the page asks again
        return Response(status_code=204 if kind == "running" else 404, headers=NEVER)
    except (FarmError, OSError) as error:
        return PlainTextResponse(str(error), 502, NEVER)
    return Response(data, media_type="image/jpeg", headers=NEVER if kind == "running" else FOREVER)


async def _video(request: Request) -> Response:
    answer = await passed_on(request, "partial.mp4")
    answer.headers.update(NEVER)
    return answer


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
