"""Templates of file names, such as ``{date}_{name}_{seed}``: what may stand in them, and names that every file system
takes."""

import re
import string
import unicodedata
from collections.abc import Mapping

DEFAULT = "{name}-{id}"
LONGEST = 120
"""Characters of a template."""
FIELDS: Mapping[str, str] = {
    "date": "day of submission, such as 2026-11-26, by the head's clock",
    "time": "such as 18-30-05",
    "name": "the job's name, or its prompt",
    "prompt": "beginning of the prompt",
    "seed": "of the video",
    "id": "first 8 letters of the job's id",
    "owner": "who asked",
    "preset": "as it was chosen",
    "model": "model family",
    "order": "in which sections were rendered",
    "seconds": "length that was asked for",
}
STEM_BYTES = 180
"""Of a name in UTF-8, which leaves room for what tells a job's files apart: file systems take 255."""
UNSAFE = re.compile(r'[<>:"/\\|?*]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")
"""Devices of Windows, whatever follows their name behind a dot."""


def check_template(template: str) -> str:
    """``template`` itself, which may be empty.

    Raises:
        ValueError: it names something unknown, or holds what no file's name may.
    """
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError:
        raise ValueError(f"should have a closing brace for each that opens; it may use {known}") from None
    for literal, name, form, conversion in pieces:
        if UNSAFE.search(literal) or not _plain(literal):
            raise ValueError('should hold none of < > : " / \\ | ? * and no control characters')
        if name is not None and (name not in FIELDS or form or conversion):
            raise ValueError(f"should use only {known}, not {{{name}}}")
    if template and all(name is None for _, name, _, _ in pieces):
        raise ValueError(f"should use at least one of {known}")
    return template


def filled(template: str, values: Mapping[str, str]) -> str:
    """A name without extension that every file system takes, in whatever script it is written.

    Args:
        template: as ``check_template`` lets it pass; empty for the default.
        values: by the names of ``FIELDS``.
    """
    text = unicodedata.normalize("NFC", (template or DEFAULT).format_map(values))
    plain = "".join(letter for letter in UNSAFE.sub("-", text) if _plain(letter))
    text = " ".join(plain.split()).strip(" .-_")
    text = text.encode()[:STEM_BYTES].decode(errors="ignore").rstrip(" .-_") or "video"
    return f"{text}_" if RESERVED.fullmatch(text.partition(".")[0].rstrip()) else text


def _plain(text: str) -> bool:
    return not any(unicodedata.category(letter).startswith("C") for letter in text)
