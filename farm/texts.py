"""Text that people write: which characters it may hold, and files of it as editors save them. Imports nothing else."""

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import FarmError, InputError

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line ends, and halves of surrogate pairs, which no encoding can write."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def plain(text: str) -> str:
    """``text`` with line ends as ``\\n``.

    Raises:
        ValueError: it holds a control character; databases, files and terminals each make something else of one.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _CONTROL.search(text):
        raise ValueError(f"should hold no control characters, has U+{ord(found[0]):04X} at {found.start() + 1}")
    return text


def json_or_text(word: str) -> Any:
    """What a person typed as a value: read as JSON, such as ``25``, ``true`` or ``[1, 2]``, or else the text itself."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def one_line(text: str) -> str:
    """Like ``plain``, for names: no line ends or tabs either.

    Raises:
        ValueError: there is one.
    """
    text = plain(text)
    if "\n" in text or "\t" in text:
        raise ValueError("should be one line, without tabs")
    return text


def is_visible(text: str) -> bool:
    """Whether anything of it can be seen: more than spaces and characters of no width."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def decode(data: bytes, what: str, kind: type[FarmError] = InputError) -> str:
    """The text of a file that a person wrote: UTF-8, with or without a byte order mark, any line ends.

    Raises:
        FarmError of ``kind``: it is UTF-16 or no text; begins with ``what`` it is.
    """
    if data.startswith(_UTF16) or b"\0" in data[:64]:
        raise kind(f"{what}: it is saved as UTF-16 or is no text; save it as UTF-8.")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise kind(f"{what}: byte {error.start + 1} is not UTF-8; save it as UTF-8.") from None


def read_toml(path: Path, what: str, kind: type[FarmError] = InputError) -> dict[str, Any]:
    """The tables of a TOML file that a person wrote.

    Raises:
        FileNotFoundError: there is none.
        FarmError of ``kind``: it can't be read, or is no TOML; begins with ``what`` it is.
    """
    try:
        return tomllib.loads(decode(path.read_bytes(), what, kind))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise kind(f"{what}: can't be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise kind(f"{what}: not valid TOML: {error}.") from None


def toml_files(folder: Path) -> Iterator[Path]:
    """The TOML files in a folder by name, however the ending is written; none where there is no folder."""
    found = folder.iterdir() if folder.is_dir() else ()
    return iter(sorted(path for path in found if path.suffix.lower() == ".toml"))
