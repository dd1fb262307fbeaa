"""From a user's fields and files to a queued job."""

import io
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from PIL import Image

from farm.errors import StorageError
from farm.jobs.graph import plan_for, tasks_for
from farm.jobs.records import Artifact, Job
from farm.jobs.submission import build_request
from model.families import describe
from model.footage.media import Media
from model.plan.anchors import SOURCE_VIDEO

from .context import FarmContext


def submit_job(farm: FarmContext, fields: Mapping[str, Any], media: Media, idempotency_key: str | None = None) -> Job:
    """Check the input, store the files, then create the job with its tasks in one transaction.

    Raises:
        InputError: the fields or a file can't be used.
        StorageError: files or job can't be written; then there is no job.
    """
    farm.plugins.reload_presets()
    request = build_request(fields, media, plugins=farm.plugins)
    job_id = uuid.uuid4().hex
    plan = plan_for(request)
    tasks = tasks_for(job_id, plan, describe(request.model_type).decoding)
    folder = f"jobs/{job_id}"
    try:
        stored = [_store(farm, folder, name, data) for name, data in media.files().items()]
        job = farm.store.create_job(
            request, plan.digest(), tasks, stored, job_id=job_id, idempotency_key=idempotency_key
        )
    except BaseException:
        with suppress(StorageError):  # a store that can't be written may not be mended either; the first error counts
            farm.artifacts.remove_prefix(folder)
        raise
    if job.id != job_id:  # the same key was sent before
        farm.artifacts.remove_prefix(folder)
    return job


def _store(farm: FarmContext, folder: str, name: str, data: bytes) -> Artifact:
    if name == SOURCE_VIDEO:
        is_mp4 = data[4:8] == b"ftyp"
        extension, media_type = ("mp4", "video/mp4") if is_mp4 else ("video", "application/octet-stream")
    else:
        kind = Image.open(io.BytesIO(data)).format or "PNG"
        extension, media_type = kind.lower(), Image.MIME.get(kind, "application/octet-stream")
    return farm.artifacts.write(f"{folder}/{name}.{extension}", data, name=name, media_type=media_type)
