"""The video of a job that is not finished: what is decoded so far, joined from the sections' clips."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from farm.errors import DamagedArtifactError, NotFoundError, StorageError
from farm.jobs.names import VIDEO, clip_index
from farm.jobs.records import Artifact
from farm.work.clips import join_clips

from .context import Farm, FarmContext
from .filenames import name_of
from .params import JobId

router = APIRouter(tags=["jobs"])

KEPT = 16
"""Joined videos that are kept for the next who asks, of all jobs."""

_joining = Lock()
"""One at a time: whoever waits finds it made."""


@router.get("/jobs/{job_id}/partial.mp4", summary="Fetch what is finished of a video", response_class=FileResponse)
def get_partial(farm: Farm, job_id: JobId) -> Response:
    """The decoded sections in viewer order, those that are missing left out; of any job that is not completed. Range
    requests are answered. It is joined anew, without coding, once a further section is decoded."""
    job = farm.store.get_job(job_id)
    artifacts = farm.store.artifacts(job_id)
    clips = [artifact for name, artifact in sorted(artifacts.items(), key=_place) if clip_index(name) is not None]
    if not clips:
        finished = VIDEO in artifacts
        raise NotFoundError(
            f"job {job_id} is {job.state}: fetch its artifact 'video'."
            if finished
            else f"job {job_id} ({job.state}) has no decoded section yet; ask again later."
        )
    name = name_of(job, "partial", ".mp4")
    path = joined(farm, clips)
    return FileResponse(
        path,
        media_type="video/mp4",
        filename=name,
        content_disposition_type="inline",
        headers={"Cache-Control": "no-cache"},
    )


def joined(farm: FarmContext, clips: Sequence[Artifact]) -> Path:
    """The clips as one file on this machine. StorageError when none of them can be read."""
    digest = hashlib.sha256("".join(clip.sha256 for clip in clips).encode()).hexdigest()
    folder = farm.settings.partial_dir
    path = folder / f"{digest[:32]}.mp4"
    with _joining:
        if path.is_file():
            os.utime(path)
            return path
        aside = folder / f".{uuid4().hex}.mp4"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            join_clips(list(_files(farm, clips)), aside)
            aside.replace(path)
            _tidy(folder)
        except OSError as error:
            raise StorageError(f"can't write {folder}: {error.strerror or error}. Free space.") from None
        finally:
            aside.unlink(missing_ok=True)
    return path


def _files(farm: FarmContext, clips: Sequence[Artifact]) -> list[Path]:
    """Those that are whole: a damaged one is left out like one that is not there yet."""
    found = []
    for clip in clips:
        try:
            found.append(farm.artifacts.whole(clip))
        except DamagedArtifactError:
            continue
    return found


def _tidy(folder: Path) -> None:
    """Keep the newest; files whose writer died go, too."""
    for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)[KEPT:]:
        old.unlink(missing_ok=True)


def _place(named: tuple[str, Any]) -> int:
    index = clip_index(named[0])
    return -1 if index is None else index
