"""What tasks and files of a job are called, and where files lie while nobody has committed them yet."""

import re
from collections.abc import Collection

from model.footage.media import AUDIO
from model.plan.anchors import SOURCE_VIDEO, START_IMAGE

ENCODE, EXPORT = "encode", "export"
CONDITIONING = "conditioning"
VIDEO, CONTACT_SHEET, MANIFEST = "video", "contact_sheet", "manifest"
_OF_EXPORT = re.compile(rf"(?:{VIDEO}|{MANIFEST})(-[1-9]\d*)?|{CONTACT_SHEET}")
_SECTION, _DECODE, _LATENTS, _FRAMES, _PREVIEW = "section-", "decode-", "latents-", "frames-", "preview-"
_CLIP, _THUMBNAIL = "clip-", "thumbnail-"
_OF_TAKE = re.compile(r"section-(\d{3,})-take-([1-9]\d*)")
_SHOT = "shot-"
_MADE_BY = {_LATENTS: _SECTION, _PREVIEW: _SECTION, _FRAMES: _DECODE, _CLIP: _DECODE, _THUMBNAIL: _DECODE}
"""The first of each task's is what others read."""
_OF_SECTION = re.compile(rf"({'|'.join((*_MADE_BY, _SECTION, _DECODE))})(\d+)((?:-take-\d+)?)")
_OF_ENCODE = re.compile(rf"(?:{ENCODE}|{CONDITIONING})(-[1-9]\d*)?")


def section_name(index: int, take: int = 0) -> str:
    """Task that renders a section: ``section-007``; ``section-007-take-2`` is another take of it."""
    return f"{_SECTION}{index:03d}" + (f"-take-{take}" if take else "")


def take_of(task: str) -> int:
    """Which take of its section a task renders; 0 for the first, and for any other task."""
    found = _OF_TAKE.fullmatch(task)
    return int(found[2]) if found else 0


def take_pattern(index: int | None = None) -> str:
    """SQL pattern of the names of tasks that render other takes of a section, or of any."""
    return f"{_SECTION}{'' if index is None else f'{index:03d}'}%-take-%"


def decode_name(index: int) -> str:
    """Task that decodes a chunk: ``decode-007``."""
    return f"{_DECODE}{index:03d}"


def latents_name(index: int) -> str:
    """Artifact with a section's latents: ``latents-007``, those of its best take where there are several."""
    return f"{_LATENTS}{index:03d}"


def frames_name(index: int) -> str:
    """Artifact with a decoded chunk: ``frames-007``."""
    return f"{_FRAMES}{index:03d}"


def preview_name(index: int) -> str:
    """Artifact that shows a section as it left denoising."""
    return f"{_PREVIEW}{index:03d}"


def preview_of(task: str) -> str:
    """The same by the name of the task that renders it: ``section-007-take-2`` -> ``preview-007-take-2``."""
    return _PREVIEW + task.removeprefix(_SECTION)


def of_take(artifact: str, take: int) -> str:
    """What an artifact of a section is called while it is one take's among several: ``latents-007-take-0``."""
    return f"{artifact}-take-{take}"


def clip_name(index: int) -> str:
    """Artifact that plays a decoded section while its video is not finished."""
    return f"{_CLIP}{index:03d}"


def thumbnail_name(index: int) -> str:
    """Artifact with the picture in the middle of a decoded section."""
    return f"{_THUMBNAIL}{index:03d}"


def export_name(index: int) -> str:
    """Task that makes the job's export of that number: ``export``, ``export-1`` ..."""
    return numbered(EXPORT, index)


def is_export(task: str) -> bool:
    """Whether a task makes one of the job's exports."""
    return task == EXPORT or task.startswith(f"{EXPORT}-")


def export_index(task: str) -> int:
    """The number of the export that a task makes: ``export-1`` -> 1."""
    return int(task.removeprefix(EXPORT).lstrip("-") or 0)


def numbered(name: str, index: int) -> str:
    """What is called ``name`` of a job's first export, of that number: ``video``, ``video-1`` ..."""
    return f"{name}-{index}" if index else name


def files_of(exports: int) -> list[str]:
    """The artifacts that so many exports of a job make; the first one makes the contact sheet."""
    return [CONTACT_SHEET, *(numbered(name, index) for index in range(exports) for name in (VIDEO, MANIFEST))]


def output_of(task: str) -> str:
    """The artifact of a task that its dependants read: ``section-003`` -> ``latents-003``."""
    if found := _OF_ENCODE.fullmatch(task):
        return CONDITIONING + (found[1] or "")
    kind, made = next((kind, made) for made, kind in _MADE_BY.items() if task.startswith(kind))
    return made + task.removeprefix(kind)


def maker_of(artifact: str) -> str | None:
    """The task that made an artifact; None when nobody did, as the pictures that a job came with."""
    if found := _OF_ENCODE.fullmatch(artifact):
        return ENCODE + (found[1] or "")
    if found := _OF_EXPORT.fullmatch(artifact):
        return EXPORT + (found[1] or "")
    made = next((made for made in _MADE_BY if artifact.startswith(made)), None)
    return None if made is None else _MADE_BY[made] + artifact.removeprefix(made)


def latents_index(artifact: str) -> int | None:
    """The section whose latents an artifact holds; None for any other artifact."""
    return _index(artifact, _LATENTS)


def clip_index(artifact: str) -> int | None:
    """The section that an artifact plays; None for any other artifact."""
    return _index(artifact, _CLIP)


def decode_index(task: str) -> int | None:
    """The section that a task decodes; None for any other task."""
    return _index(task, _DECODE)


def use_of(artifact: str) -> str:
    """What a file of a job is for: ``video``, ``given``, ``latents``, ``previews``, or ``work``, soon made again."""
    if _OF_EXPORT.fullmatch(artifact):
        return "video"
    if artifact.startswith((CONDITIONING, _FRAMES, _CLIP)):
        return "work"
    if artifact.startswith(_LATENTS):
        return "latents"
    return "previews" if artifact.startswith((_PREVIEW, _THUMBNAIL)) else "given"


def is_internal(artifact: str) -> bool:
    """Whether an artifact only serves to make others."""
    return artifact.startswith((CONDITIONING, *_MADE_BY))


def hidden_patterns() -> tuple[str, ...]:
    """SQL patterns of the names of files that show nothing to a person."""
    return (f"{CONDITIONING}%", f"{_LATENTS}%", f"{_FRAMES}%", f"{_CLIP}%")


def preview_index(artifact: str) -> int | None:
    """The section that an artifact shows; None for any other artifact."""
    return _index(artifact, _PREVIEW)


def face_of(artifacts: Collection[str]) -> str | None:
    """The file that shows best what a job is about: its result, its newest section, else a picture that was given."""
    decoded = sorted((name for name in artifacts if name.startswith(_THUMBNAIL)), reverse=True)
    rendered = sorted((name for name in artifacts if preview_index(name) is not None), reverse=True)
    given = sorted(name for name in artifacts if use_of(name) == "given" and name not in (SOURCE_VIDEO, AUDIO))
    order = [CONTACT_SHEET, *decoded, *rendered, *sorted(given, key=START_IMAGE.__ne__)]
    return next((name for name in order if name in artifacts), None)


def in_film(name: str, shot: int, first: int) -> str:
    """What a task or file of a shot by itself is called in its film, whose section ``first`` is the shot's first one.

    ``latents-002`` becomes ``latents-009``, ``encode`` of shot 2 ``encode-2``, its ``image`` ``shot-2-image``. What is
    of the whole film, such as ``video``, and all of the first shot keep their names.
    """
    if found := _OF_SECTION.fullmatch(name):
        return f"{found[1]}{int(found[2]) + first:03d}{found[3]}"
    if name in (ENCODE, CONDITIONING):
        return numbered(name, shot)
    whole = not shot or name == AUDIO or is_export(name) or _OF_EXPORT.fullmatch(name)
    return name if whole else f"{_SHOT}{shot}-{name}"


def in_shot(name: str, first: int) -> str:
    """The inverse for what tasks make and read: ``latents-009`` becomes ``latents-002``, ``conditioning-2``
    ``conditioning``."""
    if found := _OF_SECTION.fullmatch(name):
        return f"{found[1]}{int(found[2]) - first:03d}{found[3]}"
    return name.partition("-")[0] if _OF_ENCODE.fullmatch(name) else name


def of_task(artifact: str, task: str) -> str:
    """What is called ``artifact`` where another task makes it is called where ``task`` does: ``clip-002`` of
    ``decode-009`` is ``clip-009``."""
    for made in _MADE_BY:
        if artifact.startswith(made):
            return made + task.removeprefix(_MADE_BY[made])
    return output_of(task) if _OF_ENCODE.fullmatch(artifact) else artifact


def thumbnail_key(job_id: str, sha256: str) -> str:
    """Where the thumbnail is kept that was made of a file with that hash."""
    return f"jobs/{job_id}/thumbnails/{sha256[:16]}.jpg"


def attempt_folder(job_id: str, attempt_id: str) -> str:
    """The private folder of an attempt."""
    return f"jobs/{job_id}/attempts/{attempt_id}"


def preview_key(folder: str, section: int) -> str:
    """The newest preview of a section, inside the folder of the attempt that denoises it."""
    return f"{folder}/{preview_name(section)}.jpg"


def growing_log_key(folder: str) -> str:
    """The log of an attempt that has not ended, inside its folder."""
    return f"{folder}/log.txt"


LOGS = "jobs/*/logs/*"
"""Pattern of the keys that ``log_key`` gives."""


def log_key(job_id: str, attempt_id: str) -> str:
    """The log of an attempt that has ended, however it did."""
    return f"jobs/{job_id}/logs/{attempt_id}.txt"


def _index(artifact: str, prefix: str) -> int | None:
    number = artifact.removeprefix(prefix) if artifact.startswith(prefix) else ""
    return int(number) if number.isdecimal() else None
