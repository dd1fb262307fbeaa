"""What programs write about a picture or video into the file itself."""

from pathlib import Path

import av
from PIL import Image

PNG, MATROSKA = b"\x89PNG\r\n\x1a\n", b"\x1a\x45\xdf\xa3"
MP4 = (b"ftyp", b"moov", b"wide", b"mdat")
"""One of these follows a length of four bytes, in QuickTime too."""


def begins(path: Path, *starts: bytes) -> bool:
    """Whether a file begins with one of these; OSError when it can't be read."""
    with path.open("rb") as file:
        return file.read(max(map(len, starts))).startswith(starts)


def holds_texts(path: Path) -> bool:
    """Whether a file begins as PNG, MP4, QuickTime or Matroska do; OSError when it can't be read."""
    with path.open("rb") as file:
        mp4 = file.read(8)[4:] in MP4
    return mp4 or begins(path, PNG, MATROSKA)


def read_texts(path: Path) -> dict[str, str]:
    """The texts of a file by their keys. Raises whatever a broken one makes its decoder raise."""
    if begins(path, PNG):
        with Image.open(path, formats=("PNG",)) as picture:
            picture.load()  # texts may stand behind the picture
            return {str(name): str(text) for name, text in getattr(picture, "text", {}).items()}
    with av.open(str(path)) as container:
        return dict(container.metadata)
