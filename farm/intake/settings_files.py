"""Settings in files: those that the farm writes into and beside its videos, and FramePack-Studio's."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from farm.errors import InputError
from farm.settings import MAX_UPLOAD
from farm.texts import decode
from model.footage.apart import texts_apart
from model.footage.media import Media
from model.footage.texts import begins, holds_texts

from . import studio

OF_FILES = frozenset({"image_sha256", "end_image_sha256", "video_sha256", "audio_sha256", "keyframes"})
"""Fields that say which files a request came with."""
ZIP = b"PK\x03\x04"
COMMENT = "comment"
"""Where settings stand in pictures and videos."""
MAX_JSON = 20_000_000
TAKES = "a video, a PNG, JSON, or a queue of FramePack-Studio"


@dataclass(frozen=True)
class Found:
    """A job in a file: request ``fields``, or FramePack-Studio's own, and the pictures that came with them."""

    fields: Mapping[str, Any]
    media: Media = field(default_factory=Media)


def read_settings(path: Path) -> list[Found]:
    """The jobs in a file, mostly one: a manifest, a request's own JSON, FramePack-Studio's JSON or PNG, a video or
    contact sheet that the farm wrote, or a queue that FramePack-Studio exported, of which ended jobs are left out.

    The files that a job of the farm came with are not among its fields.

    Raises:
        InputError: it can't be read, or holds none.
    """
    try:
        if holds_texts(path):
            return [Found(_of_texts(path, _texts(path)))]
        if begins(path, ZIP):
            with zipfile.ZipFile(path) as archive:
                return _of_queue(path, _json(path, _member(archive, "queue.json")), archive)
        return _of_json(path, _json(path, path.read_bytes()))
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}; expected {TAKES}.") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path} is no whole ZIP file ({error}); export the queue again.") from None


def _texts(path: Path) -> dict[str, str]:
    try:
        return texts_apart(path)
    except InputError as error:
        raise InputError(f"{path} can't be read: {error}") from None


def _json(path: Path, data: bytes | None) -> Any:
    if data is None:
        raise InputError(f"{path} holds no queue.json; expected {TAKES}.")
    try:
        return json.loads(decode(data[: MAX_JSON + 1], str(path)))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON file ({error}); expected {TAKES}.") from None


def _of_json(path: Path, found: Any) -> list[Found]:
    if isinstance(found, dict) and isinstance(found.get("request"), dict) and found.get("shots"):
        raise InputError(
            f"{path} is a film of several shots: change its storyboard, and give that to `farm storyboard`."
        )
    if isinstance(found, dict) and isinstance(found.get("request"), dict):
        found = found["request"]
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object; expected one with settings.")
    if studio.is_queue(found):
        return _of_queue(path, found)
    return [Found(_without_files(found))]


def _of_queue(path: Path, queue: Any, archive: zipfile.ZipFile | None = None) -> list[Found]:
    waiting = list(studio.waiting(queue)) if isinstance(queue, dict) else []
    if not waiting:
        raise InputError(f"{path} holds no job that waits; completed, failed and cancelled ones are left out.")
    return [Found(fields, _pictures(archive, fields) if archive else Media()) for fields in waiting]


def _pictures(archive: zipfile.ZipFile, fields: Mapping[str, Any]) -> Media:
    """Those that Studio saved with a job. It names them by paths of the machine where it ran."""
    image, end, video = (
        next(filter(None, (_member(archive, fields.get(key)) for key in keys)), None)
        for keys in (studio.START_PICTURE, studio.END_PICTURE, studio.SOURCE)
    )
    return Media(image=None if video else image, end_image=end, video=video)


def _member(archive: zipfile.ZipFile, name: object) -> bytes | None:
    """A file of the archive by the last part of its name; InputError when it is larger than a farm takes."""
    wanted = PurePosixPath(str(name).replace("\\", "/")).name if name else ""
    for info in archive.infolist():
        if wanted and PurePosixPath(info.filename).name == wanted:
            if info.file_size > MAX_UPLOAD:
                raise InputError(f"{info.filename} has {info.file_size / 1e6:.0f} MB; {MAX_UPLOAD // 10**6} are taken.")
            return archive.read(info)
    return None


def _of_texts(path: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """The JSON in the comment, else in whichever text holds some, since programs differ in where they put it; else
    settings of FramePack-Studio, a text for each."""
    for _, text in sorted(texts.items(), key=lambda item: item[0].lower() != COMMENT):
        if isinstance(found := _value(text), dict):
            return dict(_of_json(path, found)[0].fields)
    if studio.is_studio(texts):
        read = {name: text if name in studio.TEXTS else _value(text) for name, text in texts.items()}
        return {name: value for name, value in read.items() if value is not None}
    raise InputError(f"{path} holds no settings; expected a file that the farm wrote, or the JSON beside it.")


def _value(text: str) -> Any:
    """What a text means, as JSON and Python write it."""
    words: dict[str, Any] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_files(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if name not in OF_FILES}
    exports = kept.get("exports")
    for export in exports if isinstance(exports, list) else ():
        if isinstance(export, dict) and export.get("audio_sha256"):  # one without sound says null, and stays so
            del export["audio_sha256"]
    return kept


def only(path: Path, found: list[Found]) -> Found:
    """The one job of a file; InputError when it holds several."""
    if len(found) > 1:
        raise InputError(f"{path} holds {len(found)} jobs; `farm submit --from {path}` queues them.")
    return found[0]
