"""A job's pictures and video at the door: opened once, whole, as a replica will open them, and named by their hash."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from farm.errors import InputError
from farm.jobs.request import RenderRequest
from model.family import FamilyInfo
from model.footage.apart import open_apart
from model.footage.footage import FileFacts
from model.footage.media import Media


def file_fields(given: Mapping[str, Any], media: Media) -> dict[str, Any]:
    """The request fields that name a job's files: their hashes, and the keyframes' with the seconds that were given.

    Args:
        given: fields as the user gave them. ``keyframes`` is a list of seconds, or of objects with ``second``, one for
            each picture; hashes may be left out, but not be wrong.
        media: the files.

    Raises:
        InputError: a hash or the number of keyframes does not match.
    """
    fields: dict[str, Any] = {"keyframes": _keyframes(given.get("keyframes", ()), media.keyframes)}
    for name, data in (("image", media.image), ("end_image", media.end_image), ("video", media.video)):
        fields[f"{name}_sha256"] = _sha256(data, given.get(f"{name}_sha256"), name)
    return fields


def check_files(request: RenderRequest, media: Media, family: FamilyInfo) -> dict[str, FileFacts]:
    """Open the files as the encoding replica will, and give what they are, by the names of their artifacts.

    Raises:
        InputError: they don't fit together, the model can't use them, or one can't be read.
        ProcessLostError: the process that opens them was killed.
    """
    if media.video is None and media.image is None and not family.text_to_video:
        raise InputError(
            f"there is no start image; model {family.name!r} needs one, since it was trained with one in every "
            "clip. Give a PNG, JPEG or WebP file."
        )
    if media.video is not None and media.image is not None and request.extend == "end":
        raise InputError(
            "a video that is extended at its end has its last frame as start image; leave out the other image."
        )
    footage = open_apart(
        media,
        family.buckets_at(request.resolution),
        given=request.given,
        fps=family.fps,
        blank=request.latent_type,
        seed=request.seed,
    )
    return dict(footage.facts)


def _keyframes(given: object, pictures: Sequence[bytes]) -> list[dict[str, object]]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"keyframes is {given!r}; expected a list of seconds, such as [2.4, 6].")
    if len(given) != len(pictures):
        raise InputError(
            f"there are {len(given)} seconds in keyframes and {len(pictures)} pictures; give one for each."
        )
    found: list[dict[str, object]] = []
    for number, (item, data) in enumerate(zip(given, pictures, strict=True), start=1):
        record = dict(item) if isinstance(item, Mapping) else {"second": item}
        found.append(record | {"image_sha256": _sha256(data, record.get("image_sha256"), f"keyframe {number}")})
    return found


def _sha256(data: bytes | None, claimed: object, name: str) -> str | None:
    found = None if data is None else hashlib.sha256(data).hexdigest()
    if claimed not in (None, found):
        raise InputError(f"{name}_sha256 does not match the {name} that came with it; send it again.")
    return found
