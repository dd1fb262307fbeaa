"""A job's files at the door: opened once, whole, as a replica will open them, and named by their hash."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from farm.errors import InputError
from farm.jobs.exports import Export
from farm.jobs.request import RenderRequest
from model.family import FamilyInfo
from model.footage.apart import open_apart, sound_seconds_apart
from model.footage.footage import FileFacts
from model.footage.media import Media

MOST_LOOKED = 512
"""Results of looking that are kept, each of a few numbers: a film is checked again with each change of a shot."""
_looked: dict[Hashable, dict[str, FileFacts]] = {}
_LOOKED = Lock()


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
    single = {"image": media.image, "end_image": media.end_image, "video": media.video, "audio": media.audio}
    for name, data in single.items():
        fields[f"{name}_sha256"] = _sha256(data, given.get(f"{name}_sha256"), name)
    return fields


def check_files(request: RenderRequest, media: Media, family: FamilyInfo) -> dict[str, FileFacts]:
    """Open the files as the encoding replica will, and give what they are, by the names of their artifacts. What was
    found to be well is not opened again.

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
    buckets = tuple(family.buckets_at(request.resolution))
    start = (request.latent_type, request.seed) if media.image is None and media.video is None else ()
    asked = (tuple(sorted(request.files.items())), buckets, request.given, family.fps, start, request.fit)
    with _LOOKED:
        if asked in _looked:
            return dict(_looked[asked])
    footage = open_apart(
        replace(media, audio=None),
        buckets,
        given=request.given,
        fps=family.fps,
        blank=request.latent_type,
        seed=request.seed,
        fit=request.fit,
        pieces=family.pieces,
    )
    with _LOOKED:
        _looked[asked] = dict(footage.facts)
        while len(_looked) > MOST_LOOKED:
            _looked.pop(next(iter(_looked)))
    return dict(footage.facts)


def check_audio(exports: Sequence[Export], audio: bytes | None) -> None:
    """Decode a sound track as an export will.

    Raises:
        InputError: it can't be read, an export names another one, or begins where it has ended.
        ProcessLostError: the process that opens it was killed.
    """
    wanted = [export for export in exports if export.audio_sha256]
    if not wanted:
        return
    for export in wanted:
        _sha256(audio, export.audio_sha256, "audio")
    assert audio is not None
    seconds = sound_seconds_apart(audio)
    for export in wanted:
        end = seconds if export.audio_end is None else min(export.audio_end, seconds)
        if export.audio_start >= end:
            raise InputError(
                f"audio_start is {export.audio_start:g} and the sound track ends at {end:.2f} s; nothing of it is left."
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
        found.append(record | {"image_sha256": _sha256(data, record.get("image_sha256"), f"keyframe {number}")})
    return found


def _sha256(data: bytes | None, claimed: object, name: str) -> str | None:
    found = None if data is None else hashlib.sha256(data).hexdigest()
    if claimed not in (None, found):
        raise InputError(f"{name}_sha256 does not match the {name} that came with it; send it again.")
    return found
