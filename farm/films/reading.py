"""Storyboards in files: TOML, a text with marks between shots, or a timeline of an editing program (OTIO)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import InputError
from farm.texts import decode, read_toml

from .storyboard import EXAMPLE, Storyboard

MARK = "---"
"""A line of these, or more of them, stands between the shots of a text."""
TEXTS = (".txt", ".md")
OTIO = ".otio"


@dataclass(frozen=True)
class StoryboardFile:
    """``written``: with the keys of ``Storyboard.of``, which takes it; ``pictures``: the files that it names, by these
    names; ``audio``: its sound track."""

    written: Mapping[str, Any]
    pictures: Mapping[str, bytes]
    audio: bytes | None = None


def read_storyboard(path: Path, every: Mapping[str, Any] | None = None) -> StoryboardFile:
    """A storyboard with all its files, which are looked for beside it.

    Args:
        path: of the file.
        every: fields for all shots; what the file says of one goes before them.

    Raises:
        InputError: it, or a file that it names, can't be read.
    """
    written = read_written(path)
    under = written.get("every") or {}
    if every and isinstance(under, dict):
        written = {**written, "every": {**{key: value for key, value in every.items() if key not in written}, **under}}
    storyboard = Storyboard.of(written)
    folder = path.parent
    pictures = {name: _read(folder / name, "picture") for name in storyboard.files}
    audio = _read(folder / storyboard.audio, "sound track") if storyboard.audio else None
    return StoryboardFile(written, pictures, audio)


def read_written(path: Path) -> dict[str, Any]:
    """What stands in the file, with the keys of ``Storyboard.of``; InputError when it can't be read."""
    kind = path.suffix.lower()
    try:
        if kind == OTIO:
            from .otio import read_otio

            return read_otio(path)
        if kind in TEXTS:
            return _of_text(decode(path.read_bytes(), str(path)), path.stem)
        return {"name": path.stem, **read_toml(path, str(path))}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; a storyboard is TOML such as {EXAMPLE}") from None
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror or error}.") from None


def _of_text(text: str, name: str) -> dict[str, Any]:
    """Prompts with marks between them; nothing else divides them."""
    shots: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip().startswith(MARK) and not line.strip().strip("-"):
            shots.append([])
        else:
            shots[-1].append(line.strip())
    prompts = [" ".join(" ".join(lines).split()) for lines in shots]
    return {"name": name, "shots": [{"prompt": prompt} for prompt in prompts if prompt]}


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read the {what} {path}: {error.strerror or error}.") from None
