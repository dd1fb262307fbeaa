"""What LoRA files tell of themselves: a title, words that call up what they were trained on, a picture."""

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..weights import read_metadata

TITLES = ("modelspec.title", "ss_output_name")
WORDS = ("modelspec.trigger_phrase", "trigger_words", "trigger_word", "trigger", "instance_prompt")
"""Keys of programs that write the words down."""
TAGS = "ss_tag_frequency"
"""Key of trainers that count the words of their captions, by folder of pictures."""
MOST = 4
PICTURE = "modelspec.thumbnail"
"""Key of a small picture, as a data URL."""
BESIDE = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
"""How the names of pictures end that other programs keep beside a LoRA."""
LARGEST = 20_000_000
"""Bytes of a picture beside a LoRA; a larger one is no picture to look at in a list."""
REMEDY = "it can't be used as a LoRA"


@dataclass(frozen=True)
class LoraAbout:
    """``triggers``: to be written into prompts, empty when the file tells none; ``picture``: names the picture that
    ``picture_of`` gives, another one for another picture, empty when there is none."""

    title: str = ""
    triggers: tuple[str, ...] = ()
    picture: str = ""


def about_lora(file: Path) -> LoraAbout:
    """What a safetensors file tells of itself; CheckpointError when it is none. Its header is read again when the file
    has changed."""
    stat = file.stat()
    told = _told(file, stat.st_size, stat.st_mtime_ns)
    return told if told.picture else replace(told, picture=_mark_beside(file))


@lru_cache(maxsize=4096)
def _told(file: Path, size: int, changed: int) -> LoraAbout:
    said = read_metadata(file, REMEDY)
    title = next((said[key].strip() for key in TITLES if said.get(key, "").strip()), "")
    words = next((_listed(said[key]) for key in WORDS if said.get(key, "").strip()), ())
    picture = _decoded(said.get(PICTURE, ""))
    mark = hashlib.sha256(picture).hexdigest()[:16] if picture else ""
    return LoraAbout(title[:120], words or _tags(said.get(TAGS, "")), mark)


def picture_of(file: Path) -> bytes:
    """The picture of a LoRA, in its header or else beside it, as a stranger made it; empty when there is none.

    Raises:
        CheckpointError: the file is no safetensors file.
    """
    if told := _decoded(read_metadata(file, REMEDY).get(PICTURE, "")):
        return told
    beside = _beside(file)
    return beside.read_bytes() if beside else b""


def _mark_beside(file: Path) -> str:
    picture = _beside(file)
    return f"{picture.stat().st_mtime_ns:x}-{picture.stat().st_size:x}" if picture else ""


def _decoded(url: str) -> bytes:
    """What a data URL such as ``data:image/jpeg;base64,...`` holds; empty for anything else."""
    kind, comma, data = url.partition(";base64,")
    if not (comma and kind.startswith("data:image/")):
        return b""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return b""


def _beside(file: Path) -> Path | None:
    """The picture beside a LoRA."""
    for end in BESIDE:
        picture = file.with_name(file.stem + end)
        if picture.is_file() and 0 < picture.stat().st_size <= LARGEST:
            return picture
    return None


def _listed(text: str) -> tuple[str, ...]:
    """Words with commas between, or as a JSON list."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    parts = [str(part) for part in found] if isinstance(found, list) else text.split(",")
    return tuple(dict.fromkeys(word for part in parts if (word := " ".join(part.split())[:80])))[:MOST]


def _tags(text: str) -> tuple[str, ...]:
    """The words that every caption has, as counted: those that none lacks call up what all pictures show."""
    try:
        counted = json.loads(text)
        total: Counter[str] = Counter()
        for tags in counted.values():
            total.update({str(tag).strip(): int(count) for tag, count in tags.items()})
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return ()
    most = max(total.values(), default=0)
    return tuple(tag[:80] for tag, count in total.items() if tag and count == most)[:MOST]
