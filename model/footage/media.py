"""The files that a job comes with: pictures, a video and a sound track, as bytes. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE, keyframe_name

AUDIO = "audio"
"""Name of the sound track, which is no anchor."""

_KINDS = (
    (8, b"WAVE", "wav", "audio/wav"),
    (0, b"fLaC", "flac", "audio/flac"),
    (0, b"OggS", "ogg", "audio/ogg"),
    (0, b"ID3", "mp3", "audio/mpeg"),
    (0, b"\xff\xfb", "mp3", "audio/mpeg"),
    (4, b"ftyp", "m4a", "audio/mp4"),
)
"""Where they have which bytes."""


@dataclass(frozen=True)
class Media:
    """Encoded files. ``image``: the start image; ``keyframes`` in the order of their seconds in the request; ``video``:
    the one that is extended; ``audio``: a sound track."""

    image: bytes | None = None
    end_image: bytes | None = None
    keyframes: tuple[bytes, ...] = ()
    video: bytes | None = None
    audio: bytes | None = None

    @classmethod
    def of(cls, media: "Media | bytes") -> "Media":
        """``media`` itself, or the start image alone."""
        return media if isinstance(media, Media) else cls(image=media)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Media":
        """The inverse of ``files``."""
        count = sum(name.startswith(keyframe_name(0)[:-1]) for name in files)
        keyframes = tuple(files[keyframe_name(i)] for i in range(count))
        return cls(files.get(START_IMAGE), files.get(END_IMAGE), keyframes, files.get(SOURCE_VIDEO), files.get(AUDIO))

    def files(self) -> dict[str, bytes]:
        """Those that are there, by the names of their artifacts, which are those of their anchors."""
        single = {START_IMAGE: self.image, END_IMAGE: self.end_image, SOURCE_VIDEO: self.video, AUDIO: self.audio}
        numbered = {keyframe_name(i): data for i, data in enumerate(self.keyframes)}
        return {name: data for name, data in (single | numbered).items() if data is not None}


def sound_kind(data: bytes) -> tuple[str, str]:
    """Extension and media type of a sound track, as far as its first bytes tell."""
    for at, mark, extension, media_type in _KINDS:
        if data[at : at + len(mark)] == mark:
            return extension, media_type
    return "audio", "application/octet-stream"
