"""From a user's fields and picture to a queued job."""

import io
import uuid
from collections.abc import Mapping
from typing import Any

from PIL import Image

from farm.jobs.graph import plan_for, tasks_for
from farm.jobs.records import Job
from farm.jobs.submission import build_request
from model.families import describe

from .context import FarmContext


def submit_job(farm: FarmContext, fields: Mapping[str, Any], image: bytes, idempotency_key: str | None = None) -> Job:
    """Check the input, store the start image, then create the job with its tasks in one transaction.

    Raises:
        InputError: the fields or the image can't be used.
        StorageError: image or job can't be written; then there is no job.
    """
    farm.plugins.reload_presets()
    request = build_request(fields, image, plugins=farm.plugins)
    job_id = uuid.uuid4().hex
    plan = plan_for(request)
    tasks = tasks_for(job_id, plan, describe(request.model_type).decode_overlap)
    kind = Image.open(io.BytesIO(image)).format or "PNG"
    media_type = Image.MIME.get(kind, "application/octet-stream")
    folder = f"jobs/{job_id}"
    stored = farm.artifacts.write(f"{folder}/image.{kind.lower()}", image, name="image", media_type=media_type)
    try:
        job = farm.store.create_job(
            request, plan.digest(), tasks, stored, job_id=job_id, idempotency_key=idempotency_key
        )
    except BaseException:
        farm.artifacts.remove_prefix(folder)
        raise
    if job.id != job_id:  # the same key was sent before
        farm.artifacts.remove_prefix(folder)
    return job
