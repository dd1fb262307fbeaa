"""The files that a job comes with: pictures and a video, as bytes. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..plan.anchors import END_IMAGE, SOURCE_VIDEO, START_IMAGE, keyframe_name


@dataclass(frozen=True)
class Media:
    """Encoded files. ``image``: the start image; ``keyframes`` in the order of their seconds in the request; ``video``:
    the one that is extended."""

    image: bytes | None = None
    end_image: bytes | None = None
    keyframes: tuple[bytes, ...] = ()
    video: bytes | None = None

    @classmethod
    def of(cls, media: "Media | bytes") -> "Media":
        """``media`` itself, or the start image alone."""
        return media if isinstance(media, Media) else cls(image=media)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Media":
        """The inverse of ``files``."""
        count = sum(name.startswith(keyframe_name(0)[:-1]) for name in files)
        keyframes = tuple(files[keyframe_name(i)] for i in range(count))
        return cls(files.get(START_IMAGE), files.get(END_IMAGE), keyframes, files.get(SOURCE_VIDEO))

    def files(self) -> dict[str, bytes]:
        """Those that are there, by the name of their anchor, which is also that of their artifact."""
        single = {START_IMAGE: self.image, END_IMAGE: self.end_image, SOURCE_VIDEO: self.video}
        numbered = {keyframe_name(i): data for i, data in enumerate(self.keyframes)}
        return {name: data for name, data in (single | numbered).items() if data is not None}
