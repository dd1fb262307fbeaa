"""What files are called when people fetch them."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime

from farm.templates import filled
from model.plan.listed import short_name

from .names import VIDEO, numbered

NAMING = ("seed", "model_type", "order", "total_second_length")
"""Fields of a request that a name may hold."""


def file_name(template: str, values: Mapping[str, str], artifact: str, extension: str) -> str:
    """Such as ``the-puppet-dances-3f2a9c41.mp4``, ``the-puppet-dances-3f2a9c41-manifest.json``.

    Args:
        template: of the export that the file belongs to; empty for the default.
        values: see ``values_of``.
        artifact: of the file.
        extension: with the dot.
    """
    part = artifact.removeprefix(VIDEO)
    return f"{filled(template, values)}{f'-{part}' if part and not part.startswith('-') else part}{extension}"


def video_file(template: str, values: Mapping[str, str], number: int, extension: str) -> str:
    """The same of the file that the job's export of that number is."""
    return file_name(template, values, numbered(VIDEO, number), extension)


def values_of(
    job_id: str, created_at: datetime, name: str, prompt: str, owner: str, preset: str, fields: Mapping[str, object]
) -> dict[str, str]:
    """What the fields of a template stand for.

    Args:
        created_at: when the job was submitted; its zone is that of the names.
        name, prompt, owner, preset: of the job.
        fields: ``NAMING``; those that are missing are empty.
    """
    seconds = fields.get("total_second_length")
    found = {
        "date": created_at.strftime("%Y-%m-%d"),
        "time": created_at.strftime("%H-%M-%S"),
        "name": slug(name or prompt),
        "prompt": slug(prompt),
        "seed": str(fields.get("seed", "")),
        "id": job_id[:8],
        "owner": slug(owner),
        "preset": slug(preset),
        "model": str(fields.get("model_type", "")),
        "order": short_name(str(fields.get("order", ""))),
        "seconds": f"{seconds:g}" if isinstance(seconds, int | float) else "",
    }
    return found


def slug(text: str, limit: int = 40) -> str:
    """Form of a name that is safe in file names, in whatever script it is written."""
    words = unicodedata.normalize("NFC", text).lower()
    return re.sub(r"[\W_]+", "-", words).strip("-")[:limit].strip("-") or "video"
