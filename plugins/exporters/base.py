"""What an exporter is, and the two things every one of them needs: checked frames and a file written aside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from farm.errors import FarmError
from farm.files import written_aside

__all__ = ["ExportInfo", "Exporter", "Frame", "checked", "written_aside"]

Frame = npt.NDArray[np.uint8]
"""One picture, RGB, uint8 [height, width, 3]."""


@dataclass(frozen=True)
class ExportInfo:
    """Facts about the video that an exporter is given before the first frame.

    Attributes:
        width: pixels.
        height: pixels.
        fps: frames per second.
        frames: how many frames the iterator yields.
        crf: quality of lossy encoders, 0 (best) to 51, as in ``RenderRequest.mp4_crf``.
        title: the job's name, may be empty.
        metadata: short facts to store inside the file, such as prompt and seed.
    """

    width: int
    height: int
    fps: int
    frames: int
    crf: int = 16
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return self.frames / self.fps


@runtime_checkable
class Exporter(Protocol):
    """Writes one kind of file. An exporter keeps no state between calls.

    Attributes:
        name: what users pick, lower case, such as ``mp4``.
        extension: with the dot, such as ``.mp4``.
        media_type: such as ``video/mp4``.
    """

    name: str
    extension: str
    media_type: str

    def export(self, frames: Iterator[Frame], path: Path, info: ExportInfo) -> None:
        """Write the file.

        Args:
            frames: uint8 [height, width, 3] RGB in viewer order. Take one at a time: a video may be far larger than
                memory.
            path: where the file must be when the call returns; nothing may lie there when it raises.
            info: facts about the video.
        """
        ...


def checked(frames: Iterator[Any], info: ExportInfo) -> Iterator[Frame]:
    """Pass ``frames`` through and make sure that they are what ``info`` says.

    Raises:
        FarmError: a frame has another shape or type, or there are more or fewer of them.
    """
    shape = (info.height, info.width, 3)
    count = 0
    for frame in frames:
        if not isinstance(frame, np.ndarray) or frame.shape != shape or frame.dtype != np.uint8:
            got = f"{frame.dtype} {list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise FarmError(f"frame {count} is {got}; expected uint8 {list(shape)}.")
        count += 1
        if count > info.frames:
            raise FarmError(f"the video has more than the expected {info.frames} frames.")
        yield frame
    if count != info.frames:
        raise FarmError(f"the video has {count} frames; expected {info.frames}.")
