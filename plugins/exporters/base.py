"""What an exporter is, and the two things every one of them needs: checked frames and a file written aside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from farm.errors import FarmError
from farm.files import written_aside

__all__ = [
    "ExportInfo",
    "Exporter",
    "Frame",
    "Moment",
    "Options",
    "SectionInfo",
    "TimedPrompt",
    "checked",
    "chosen",
    "written_aside",
]

Frame = npt.NDArray[np.uint8]
"""One picture, RGB, uint8 [height, width, 3]."""


class Options(BaseModel):
    """What an exporter's options are made from: fields with defaults, ranges and descriptions, which are its form."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True)
class SectionInfo:
    """A section of the video: its number from 0, the first of its frames in the file, how many, and its prompt."""

    index: int
    first_frame: int
    frames: int
    prompt: str


@dataclass(frozen=True)
class TimedPrompt:
    """A prompt and the seconds of the file from which and to which it holds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Moment:
    """A picture that was given, and the second of the file at which it stands: ``keyframe-000``, ``end_image``."""

    second: float
    name: str


@dataclass(frozen=True)
class ExportInfo:
    """Facts about the video that an exporter is given before the first frame.

    Attributes:
        width: pixels.
        height: pixels.
        fps: frames per second.
        frames: how many frames the iterator yields.
        crf: quality of lossy encoders, 0 (best) to 51, as in ``Export.mp4_crf``; what an option called ``crf`` is
            when it was not given.
        options: an instance of the exporter's ``options``; None for one that has none.
        title: the job's name, may be empty.
        metadata: short facts to store inside the file, such as prompt and seed.
        file_name: what the file is called when people fetch it; ``video_name``: the same of the job's first file.
        sections, prompts, keyframes: what is seen when, in viewer order.
        latents: files of the sections' latents (safetensors), in viewer order; to be read only.
        sound: a file whose first audio stream belongs to the video, None without sound.
    """

    width: int
    height: int
    fps: int
    frames: int
    crf: int = 16
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    options: Any = None
    file_name: str = ""
    video_name: str = ""
    sections: tuple[SectionInfo, ...] = ()
    prompts: tuple[TimedPrompt, ...] = ()
    keyframes: tuple[Moment, ...] = ()
    latents: tuple[Path, ...] = ()
    sound: Path | None = None

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

    It may also have:
        title: what it is, in one line, for people.
        options: a class made from ``Options``.
        carries_sound: True when it writes ``info.sound`` into the file.
        reads_latents: True when it needs ``info.latents``, which are empty otherwise.
        unavailable: why it can't be used on this machine, in one line; empty when it can.
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


Chosen = TypeVar("Chosen", bound=BaseModel)


def chosen(model: type[Chosen], info: ExportInfo) -> Chosen:
    """The options that ``info`` has, as ``model``; its field ``crf``, if it has one, is ``info.crf`` by default.

    Raises:
        FarmError: one is not what the model expects.
    """
    if isinstance(info.options, model):
        return info.options
    given = dict(info.options or {})
    if "crf" in model.model_fields and given.get("crf") is None:
        given["crf"] = info.crf
    try:
        return model.model_validate(given)
    except ValueError as error:
        raise FarmError(f"the options {given} can't be used: {' '.join(str(error).split())}") from None


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
