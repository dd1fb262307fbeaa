"""A small picture of each job, made once from the file that shows best what the job is about."""

import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Header, Response
from PIL import Image

from farm.errors import NotFoundError
from farm.jobs.names import CONTACT_SHEET, face_of, preview_index, thumbnail_key, use_of
from farm.jobs.records import Artifact, Job
from farm.store.artifacts import ArtifactStore
from model.footage.apart import open_image_apart
from plugins.contact_sheet import middle_cell

from .context import Farm
from .params import JobId

router = APIRouter(tags=["jobs"])

SIDE = 128
"""Longest side in pixels."""
SHARED = 256
"""Thumbnails of given pictures that are in memory: many jobs start from the same one."""


@router.get("/jobs/{job_id}/thumbnail", summary="Look at a job", response_class=Response)
def get_thumbnail(
    farm: Farm, job_id: JobId, if_none_match: Annotated[str | None, Header(max_length=200)] = None
) -> Response:
    """A JPEG of at most 128 pixels a side: of the result, else the newest section, else what the job starts from."""
    job = farm.store.get_job(job_id)
    files = farm.store.shown_files([job_id])[job_id]
    face = files.get(face_of(files) or "")
    if face is None:
        raise NotFoundError(f"job {job_id} has no picture yet.")
    headers = {"ETag": f'"{face.sha256[:16]}"', "Cache-Control": "private, no-cache"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_kept(farm.artifacts, job, face), media_type="image/jpeg", headers=headers)


def _kept(artifacts: ArtifactStore, job: Job, face: Artifact) -> bytes:
    """From beside the job's files, where it is put the first time."""
    key = thumbnail_key(job.id, face.sha256)
    try:
        return artifacts.read(key)
    except NotFoundError:
        given = use_of(face.name) == "given"
        made = _of_given(_Given(face.sha256, face.key, artifacts)) if given else _of_farm(artifacts, job, face)
        artifacts.write(key, made, media_type="image/jpeg")
        return made


def _of_farm(artifacts: ArtifactStore, job: Job, face: Artifact) -> bytes:
    """Of a picture that the farm made, or one of several in it."""
    with Image.open(io.BytesIO(artifacts.read(face.key, face.sha256))) as picture:
        if face.name == CONTACT_SHEET:
            return _small(middle_cell(picture, job.plan.get("frames", SIDE)))
        section = preview_index(face.name)
        if section is None:
            return _small(picture)
        spans = {each["index"]: each["stop"] - each["start"] for each in job.plan.get("section_list", ())}
        width = picture.width // spans.get(section, 1)
        return _small(picture.crop((picture.width - width, 0, picture.width, picture.height)))


@dataclass(frozen=True)
class _Given:
    """A picture that somebody brought: the same one wherever it is kept."""

    sha256: str
    key: str = field(compare=False)
    artifacts: ArtifactStore = field(compare=False)


@lru_cache(maxsize=SHARED)
def _of_given(given: _Given) -> bytes:
    return small_picture(given.artifacts.read(given.key, given.sha256))


def small_picture(data: bytes) -> bytes:
    """A JPEG of at most ``SIDE`` pixels a side, of a stranger's picture, which is decoded in a process of its own.

    Raises:
        InputError: it can't be read.
    """
    return _small(open_image_apart(data, side=SIDE)[1])


def _small(picture: Image.Image) -> bytes:
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()
