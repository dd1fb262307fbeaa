"""The door for a job's pictures and video: each is opened once, whole, and named by its hash."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from farm.errors import InputError
from model.family import FamilyInfo
from model.footage.media import Media
from model.footage.pictures import open_image
from model.footage.video import check_video
from model.plan.plan import pixel_frames

from .request import RenderRequest

_TITLES = {"image": "", "end_image": "end image"}


def file_fields(given: Mapping[str, Any], media: Media) -> dict[str, Any]:
    """The request fields that name a job's files: their hashes, and the keyframes' with the seconds that were given.

    Args:
        given: fields as the user gave them. ``keyframes`` is a list of seconds, or of objects with ``second``, one for
            each picture; hashes may be left out, but not be wrong.
        media: the files.

    Raises:
        InputError: a picture can't be used, a hash or the number of keyframes does not match.
    """
    fields: dict[str, Any] = {"keyframes": _keyframes(given.get("keyframes", ()), media.keyframes)}
    for name, data in (("image", media.image), ("end_image", media.end_image), ("video", media.video)):
        if data is not None and name != "video":
            open_image(data, _TITLES[name])
        fields[f"{name}_sha256"] = _sha256(data, given.get(f"{name}_sha256"), name)
    return fields


def check_files(request: RenderRequest, media: Media, family: FamilyInfo) -> None:
    """Check that the files fit together and that the model can use them.

    Raises:
        InputError: they don't; the video can't be read, or is too long or too short.
    """
    if media.video is None:
        if media.image is None and not family.text_to_video:
            raise InputError(
                f"there is no start image; model {family.name!r} needs one, since it was trained with one in every "
                "clip. Give a PNG, JPEG or WebP file."
            )
        return
    if media.image is not None and request.extend == "end":
        raise InputError(
            "a video that is extended at its end has its last frame as start image; leave out the other image."
        )
    frames = check_video(media.video, family.fps).frames
    needed = pixel_frames(request.num_cleaned_frames)
    if frames < needed:
        raise InputError(
            f"the video has {frames} frames at {family.fps} fps; num_cleaned_frames {request.num_cleaned_frames} needs "
            f"{needed}. Give a longer video, or a smaller number."
        )


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
        open_image(data, f"keyframe {number}")
        found.append(record | {"image_sha256": _sha256(data, record.get("image_sha256"), f"keyframe {number}")})
    return found


def _sha256(data: bytes | None, claimed: object, name: str) -> str | None:
    found = None if data is None else hashlib.sha256(data).hexdigest()
    if claimed not in (None, found):
        raise InputError(f"{name}_sha256 does not match the {name} that came with it; send it again.")
    return found
